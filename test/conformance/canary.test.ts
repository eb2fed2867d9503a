/**
 * The canary: servers that are no broker pass no check. A check that one of them passes checks nothing.
 */
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { Runtime, Server } from './checks.ts';
import { runCheck } from './checks.ts';
import { TOPICS } from './topics.ts';

const REFUSAL = JSON.stringify({ type: 'urn:x', title: 'No', status: 400, detail: 'No.', code: 'INVALID_REQUEST' });

const IMPOSTORS: Readonly<Record<string, RequestListener>> = {
  'says yes to everything': (_, response) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"messages":[],"items":[],"failed":[],"next":null}'),
  'says no to everything': (_, response) => response.writeHead(400, { 'content-type': 'application/problem+json' }).end(REFUSAL),
  'has nothing to say': (_, response) => response.writeHead(204).end(),
};

test.each(Object.entries(IMPOSTORS))('a server that %s passes no check', { timeout: 120_000 }, async (_, listener) => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const nothing = async () => undefined;
  const impostor: Server = {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token: undefined,
    restart: nothing,
    crash: nothing,
    begin: nothing,
    close: nothing,
    end: async () => true,
  };
  const runtime: Runtime = { name: 'node', lacks: {}, start: async () => impostor };
  const passed: string[] = [];
  // Those that need a connection of their own need a runtime that has one.
  const checks = Object.entries(TOPICS).flatMap(([topic, list]) =>
    list.filter(({ needs = [] }) => !needs.includes('raw')).map((check) => ({ topic, check })),
  );
  await Promise.all(
    checks.map(async ({ topic, check }) => {
      const result = await runCheck(check, runtime, impostor).then(
        () => 'passed',
        () => 'failed',
      );
      if (result === 'passed') passed.push(`${topic}: ${check.name}`);
    }),
  );
  server.close();
  server.closeAllConnections();
  expect(passed).toEqual([]);
});
