/**
 * Sessions over a real broker in memory: one by objects, and one by bytes on a wire whose other end is the test's.
 * Waiting is for a frame, never for a time.
 */
import { decode as decodeMsgpack } from '@msgpack/msgpack';
import { afterAll } from 'vitest';
import { MemoryVolume } from '../../../src/adapters/memory/volume.ts';
import { nodeClock, nodeRandom, nodeTimers } from '../../../src/adapters/node/timers.ts';
import { RecordCursor } from '../../../src/core/batch/cursor.ts';
import type { Broker } from '../../../src/core/broker.ts';
import { openBroker } from '../../../src/core/broker.ts';
import type { Limits } from '../../../src/core/limits.ts';
import { makeLimits } from '../../../src/core/limits.ts';
import type { Clock, Timers, Volume } from '../../../src/core/ports.ts';
import { CODECS } from '../../../src/gateway/frames/codec.ts';
import type { Gateway } from '../../../src/gateway/gateway.ts';
import { createGateway } from '../../../src/gateway/gateway.ts';
import type { FrameProtocol } from '../../../src/protocol/frames.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a frame holds is what is being tested
export type Frame = any;

export interface World {
  readonly broker: Broker;
  readonly gateway: Gateway;
  /** What the journal was told. */
  readonly errors: string[];
  /** A session by objects, welcomed. */
  link(namespace?: string): Promise<Client>;
  /** A session by bytes, welcomed unless said. */
  wire(protocol?: FrameProtocol, options?: { hello?: boolean; asked?: Record<string, string>; path?: string }): Promise<WireClient>;
  station(config?: object, name?: string): Promise<string>;
}

const running: Broker[] = [];
afterAll(async () => {
  await Promise.all(running.splice(0).map((broker) => broker.close()));
});

export interface WorldOptions {
  readonly limits?: Partial<Limits>;
  readonly token?: string;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly wrap?: (broker: Broker) => Broker;
  /** In place of memory. */
  readonly volume?: Volume;
}

export async function world({
  limits = {},
  token,
  clock = nodeClock,
  timers = nodeTimers(),
  wrap = (b) => b,
  volume,
}: WorldOptions = {}): Promise<World> {
  const errors: string[] = [];
  const journal = { info: () => undefined, warn: () => undefined, error: (text: string) => void errors.push(text) };
  const random = nodeRandom();
  // The broker keeps its own time where a test has taken the sessions' in hand.
  const own = nodeTimers();
  const real = await openBroker({
    volume: volume ?? new MemoryVolume(own),
    memory: new MemoryVolume(own),
    clock: nodeClock,
    timers: own,
    random,
    journal,
    limits,
  });
  running.push(real);
  const broker = wrap(real);
  const table = makeLimits(limits);
  const gateway = createGateway(broker, { token, runtime: 'node', version: '1', limits: table, clock, timers, random, journal });
  let made = 0;
  return {
    broker,
    gateway,
    errors,
    async link(namespace) {
      const link = gateway.frames.link(namespace);
      const client = new Client((frame) => link.send(frame as never));
      link.onFrame = (frame) => client.take(frame);
      link.onClose = (code, reason) => client.end(code, reason);
      client.vanish = () => link.close();
      await client.hello();
      return client;
    },
    async wire(protocol = 'wayside.msgpack.v1', { hello = true, asked = {}, path = '/v1/ws' } = {}) {
      const headers: Record<string, string> = { host: 'localhost', 'sec-websocket-protocol': protocol, ...asked };
      const upgrade = gateway.frames.upgrade({ url: path, headers: { get: (name) => headers[name] ?? null } }, path.split('?')[0]!);
      const client = new WireClient(protocol);
      client.socket = upgrade.open(client);
      if (hello) await client.hello(token);
      return client;
    },
    async station(config = {}, name = `s${++made}`) {
      await real.putStation('default', name, config);
      return name;
    },
  };
}

/** A broker some of whose calls are another's. */
export function overriding(broker: Broker, others: Partial<Broker>): Broker {
  return new Proxy(broker, {
    get: (target, name: keyof Broker) => others[name] ?? (target[name] as (...given: unknown[]) => unknown).bind(target),
  });
}

/** The other end of a session: numbers its calls, keeps what comes. */
export class Client {
  readonly frames: Frame[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** Breaks the connection off. */
  vanish: () => void = () => undefined;
  readonly #send: (frame: object) => void;
  #lastId = 0;
  #changed: (() => void)[] = [];

  constructor(send: (frame: object) => void) {
    this.#send = send;
  }

  send(frame: object): void {
    this.#send(frame);
  }

  async hello(token?: string): Promise<Frame> {
    this.send({ op: 'hello', ...(token === undefined ? {} : { token }) });
    return this.next((frame) => frame.op === 'welcome');
  }

  /** @returns the answer, `ok` or `error` */
  ask(op: string, fields: object = {}): Promise<Frame> {
    const id = ++this.#lastId;
    this.send({ id, op, ...fields });
    return this.next((frame) => frame.id === id);
  }

  async do(op: string, fields?: object): Promise<Frame> {
    const { ok, error } = await this.ask(op, fields);
    if (ok === undefined) throw new Error(`${op}: ${JSON.stringify(error)}`);
    return ok;
  }

  /** @returns the code that it is refused with */
  async refused(op: string, fields?: object): Promise<string> {
    const answer = await this.ask(op, fields);
    if (answer.error === undefined) throw new Error(`${op} was not refused: ${JSON.stringify(answer)}`);
    return answer.error.code;
  }

  /** The first frame that fits; each is given out once. */
  async next(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const at = this.frames.findIndex(fits);
      if (at >= 0) return this.frames.splice(at, 1)[0];
      if (this.closed !== undefined) throw new Error(`closed with ${this.closed.code} ${this.closed.reason}`);
      await this.#change();
    }
  }

  async ended(): Promise<number> {
    while (this.closed === undefined) await this.#change();
    return this.closed.code;
  }

  take(frame: Frame): void {
    this.frames.push(frame);
    this.#wake();
  }

  end(code: number, reason: string): void {
    this.closed = { code, reason };
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }
}

/** One that decodes what comes at once, or keeps it as a slow reader does, until `read`. */
export class WireClient extends Client {
  socket!: { receive(data: Uint8Array, isBinary: boolean): void; drained(): void; closed(): void };
  /** Takes nothing off. */
  stuck = false;
  paused = false;
  /** The most that ever waited. */
  waitingMax = 0;
  readonly #protocol: FrameProtocol;
  #waiting: Uint8Array[] = [];
  #bytes = 0;

  constructor(protocol: FrameProtocol) {
    super((frame) => this.#encode(frame));
    this.#protocol = protocol;
    this.vanish = () => this.socket.closed();
  }

  /** Bytes as they are. */
  raw(data: Uint8Array | string, isBinary = typeof data !== 'string'): void {
    this.socket.receive(typeof data === 'string' ? new TextEncoder().encode(data) : data, isBinary);
  }

  get waiting(): readonly Uint8Array[] {
    return this.#waiting;
  }

  /** Takes off everything that waits. */
  read(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    for (const data of waiting) this.#decode(data);
    this.socket.drained();
  }

  // ── The wire of the session ──

  override send(data: object | string | Uint8Array): void {
    // Both directions end here: a frame of the test's, or bytes from the session.
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      super.send(data);
      return;
    }
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    if (!this.stuck) {
      this.#decode(bytes);
      // As a socket does for whatever has left.
      queueMicrotask(() => this.socket.drained());
      return;
    }
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
    this.waitingMax = Math.max(this.waitingMax, this.#bytes);
  }

  buffered(): number {
    return this.#bytes;
  }

  close(code: number, reason: string): void {
    this.end(code, reason);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  #encode(frame: object): void {
    const data = this.#protocol === 'wayside.json.v1' ? JSON.stringify(frame) : CODECS[this.#protocol].encode(frame as never);
    this.raw(data);
  }

  #decode(bytes: Uint8Array): void {
    // Parsed as a client would, not by the codec that is being tested.
    this.take(this.#protocol === 'wayside.json.v1' ? JSON.parse(new TextDecoder().decode(bytes)) : decodeMsgpack(bytes));
  }
}

/** The messages of a delivery as texts, whichever form they came in. */
export function textsOf({ messages, blocks }: Frame): string[] {
  if (messages !== undefined) return messages.map((message: Frame) => message.text ?? JSON.stringify(message.payload) ?? message.base64);
  return blocks.flatMap(({ records }: Frame) => payloads(records).map((payload) => new TextDecoder().decode(payload)));
}

export function receiptsOf({ messages, blocks }: Frame): string[] {
  if (messages !== undefined) return messages.map(({ receipt }: Frame) => receipt);
  return blocks.flatMap(({ partition, first, lease, records }: Frame) =>
    Array.from({ length: countOf({ blocks: [{ records }] }) }, (_, i) => `${partition}.${first + i}.${lease}`),
  );
}

export function countOf({ messages, blocks }: Frame): number {
  return messages?.length ?? blocks.reduce((sum: number, { records }: Frame) => sum + payloads(records).length, 0);
}

/** Of a delivered batch, whose head is judged as well. */
export function payloads(records: Uint8Array): Uint8Array[] {
  const { count, bytes, recordsStart, recordsEnd } = checkHead(records);
  const found: Uint8Array[] = [];
  const cursor = new RecordCursor(bytes, recordsStart, recordsEnd);
  while (cursor.next()) found.push(bytes.subarray(cursor.payloadStart, cursor.payloadEnd));
  if (found.length !== count) throw new Error(`the head says ${count}, there are ${found.length}`);
  return found;
}

function checkHead(records: Uint8Array) {
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  const [magic, flags, count, length] = [
    new TextDecoder().decode(records.subarray(0, 4)),
    records[4],
    view.getUint32(5, true),
    view.getUint32(9, true),
  ];
  if (magic !== 'WSR1' || flags !== 0 || length !== records.length - 13) throw new Error(`a head of ${magic} ${flags} ${length}`);
  return { count, bytes: records, recordsStart: 13, recordsEnd: records.length };
}
