/** A gateway over a real broker in memory, called without a network. */
import type { Hono } from 'hono';
import { afterAll } from 'vitest';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { nodeClock, nodeRandom, nodeTimers } from '../../src/adapters/node/timers.ts';
import type { Broker } from '../../src/core/broker.ts';
import { openBroker } from '../../src/core/broker.ts';
import type { Limits } from '../../src/core/limits.ts';
import { makeLimits } from '../../src/core/limits.ts';
import type { GatewayOptions } from '../../src/gateway/gateway.ts';
import { createGateway } from '../../src/gateway/gateway.ts';

export interface Gateway {
  readonly app: Hono;
  readonly broker: Broker;
  /** What the journal was told, grave first. */
  readonly errors: string[];
  call(method: string, path: string, init?: RequestInit): Promise<Response>;
  /** Sends JSON, unless `body` is something else already. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Makes a station and gives its path. */
  station(config?: unknown): Promise<string>;
}

const running: Broker[] = [];
afterAll(async () => {
  await Promise.all(running.splice(0).map((broker) => broker.close()));
});

export async function openGateway(
  options: Partial<Omit<GatewayOptions, 'limits'>> & { limits?: Partial<Limits> } = {},
  wrap = (broker: Broker) => broker,
): Promise<Gateway> {
  const errors: string[] = [];
  const journal = { info: () => undefined, warn: () => undefined, error: (text: string) => void errors.push(text) };
  const timers = nodeTimers();
  const random = nodeRandom();
  const clock = nodeClock;
  const broker = wrap(
    await openBroker({
      volume: new MemoryVolume(timers),
      memory: new MemoryVolume(timers),
      clock,
      timers,
      random,
      journal,
      limits: options.limits ?? {},
    }),
  );
  running.push(broker);
  const { app } = createGateway(broker, {
    runtime: 'node',
    version: '9.8.7',
    clock,
    timers,
    random,
    journal,
    ...options,
    limits: makeLimits(options.limits),
  });
  const call = async (method: string, path: string, init: RequestInit = {}) => app.request(`http://localhost${path}`, { method, ...init });
  let made = 0;
  const send: Gateway['send'] = (method, path, body, headers = {}) => {
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array)
      return call(method, path, { body: (body ?? null) as string | Uint8Array<ArrayBuffer> | null, headers });
    return call(method, path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
  };
  const station = async (config: unknown = {}) => {
    const path = `/v1/stations/s${++made}`;
    const answer = await send('PUT', path, config);
    if (answer.status !== 201) throw new Error(await answer.text());
    return path;
  };
  return { app, broker, errors, call, send, station };
}

/** A refusal in its whole form; its body. */
export async function problem(answer: Response | Promise<Response>, status: number, code: string): Promise<Record<string, unknown>> {
  const response = await answer;
  const body = (await response.json()) as Record<string, unknown>;
  const form = {
    type: response.headers.get('content-type'),
    status: response.status,
    code: body.code,
    inside: body.status,
    uri: body.type,
  };
  const wanted = { type: 'application/problem+json', status, code, inside: status, uri: `urn:wayside:problem:${code}` };
  if (JSON.stringify(form) !== JSON.stringify(wanted))
    throw new Error(`expected ${JSON.stringify(wanted)}, got ${JSON.stringify(form)}: ${JSON.stringify(body)}`);
  return body;
}
