/**
 * A WebSocket that speaks frames (§7): numbers its calls, answers pings, keeps what comes. Needs a runtime's WebSocket and
 * nothing else. Nothing is judged here but that what should be answered is.
 */
import { decode, encode } from '@msgpack/msgpack';
import type { Context } from './checks.ts';
import { Failure } from './expect.ts';
import type { Delivered } from './station.ts';
import { payloadsOf } from './wsr1.ts';

export type Protocol = 'json' | 'msgpack';

// biome-ignore lint/suspicious/noExplicitAny: the shape is what is being checked
export type Frame = any;

export interface DialOptions {
  /** Subprotocols in place of the one. */
  readonly offered?: readonly string[];
  /** After `/v1/ws`. */
  readonly query?: string;
  /** Says hello, with the server's token. */
  readonly hello?: boolean;
  /** Does not answer pings. */
  readonly mute?: boolean;
}

const ANSWER_MS_MAX = 10_000;

/** A socket of the check's own: closed when it ends. */
export async function dial(
  t: Context,
  protocol: Protocol,
  { offered, query = '', hello = true, mute = false }: DialOptions = {},
): Promise<FrameClient> {
  const url = `${t.server.base.replace(/^http/, 'ws')}/v1/ws${query}`;
  const client = new FrameClient(new WebSocket(url, [...(offered ?? [`wayside.${protocol}.v1`])]), protocol, mute);
  t.defer(async () => client.close());
  await client.opened();
  if (hello) await client.hello(t.server.token);
  return client;
}

export class FrameClient {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  /** The code that it was closed with. */
  code: number | undefined;
  readonly #protocol: Protocol;
  #lastId = 0;
  #waiting: (() => void)[] = [];

  constructor(socket: WebSocket, protocol: Protocol, mute: boolean) {
    this.socket = socket;
    this.#protocol = protocol;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', ({ data }) => {
      const frame: Frame = typeof data === 'string' ? JSON.parse(data) : decode(new Uint8Array(data as ArrayBuffer));
      if (frame.op === 'ping' && !mute) this.send({ op: 'pong' });
      this.frames.push(frame);
      this.#wake();
    });
    socket.addEventListener('close', ({ code }) => {
      this.code = code;
      this.#wake();
    });
    for (const event of ['open', 'error']) socket.addEventListener(event, () => this.#wake());
  }

  async opened(): Promise<void> {
    while (this.socket.readyState === 0) await this.#change('a WebSocket');
    if (this.socket.readyState !== 1) throw new Failure('opening a WebSocket', 'it opens', `closed with ${this.code}`);
  }

  send(frame: object): void {
    this.raw(this.#protocol === 'json' ? JSON.stringify(frame) : encode(frame));
  }

  /** Text or bytes as they are. */
  raw(data: string | Uint8Array<ArrayBuffer>): void {
    this.socket.send(data);
  }

  hello(token?: string): Promise<Frame> {
    this.send({ op: 'hello', ...(token === undefined ? {} : { token }) });
    return this.next('a welcome', ({ op }) => op === 'welcome');
  }

  /** @returns the answer, be it `ok` or `error` */
  ask(op: string, fields: object = {}): Promise<Frame> {
    const id = ++this.#lastId;
    this.send({ id, op, ...fields });
    return this.next(`an answer to ${op}`, (frame) => frame.id === id);
  }

  async do(op: string, fields?: object): Promise<Frame> {
    const answer = await this.ask(op, fields);
    if (!('ok' in answer)) throw new Failure(`${op} over the socket`, '{id, ok}', answer);
    return answer.ok;
  }

  async refused(op: string, fields: object, code: string): Promise<Frame> {
    const { error } = await this.ask(op, fields);
    if (error?.code !== code || typeof error.detail !== 'string' || error.detail === '')
      throw new Failure(`${op} over the socket`, `an error with the code ${code} and a detail`, error);
    return error;
  }

  async next(what: string, fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const at = this.frames.findIndex(fits);
      if (at >= 0) return this.frames.splice(at, 1)[0];
      if (this.code !== undefined)
        throw new Failure(what, 'a frame', `closed with ${this.code}; there were ${JSON.stringify(this.frames).slice(0, 300)}`);
      await this.#change(what);
    }
  }

  async closes(code: number, what: string): Promise<void> {
    while (this.code === undefined) await this.#change(what);
    if (this.code !== code) throw new Failure(what, `close code ${code}`, this.code);
  }

  /** So many messages of a subscription, in the form of §5. */
  async messages(sub: number, count: number): Promise<Delivered[]> {
    const got: Delivered[] = [];
    while (got.length < count)
      got.push(...messagesOf(await this.next(`messages of ${sub}`, (frame) => frame.sub === sub && frame.event === undefined)));
    return got;
  }

  close(): void {
    this.socket.close();
  }

  #change(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Failure(what, `it within ${ANSWER_MS_MAX} ms`, this.frames.slice(0, 5))), ANSWER_MS_MAX);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Of a delivery, or of a fetch's `ok`: the messages, whichever form they have. */
export function messagesOf({ messages, blocks }: Frame): Delivered[] {
  if (messages !== undefined) return messages;
  return blocks.flatMap(({ partition, first, producedAt, deliveries, lease, records }: Frame) =>
    payloadsOf(records).map((text, index) => ({
      partition,
      sequence: first + index,
      producedAt,
      deliveries,
      receipt: `${partition}.${first + index}.${lease}`,
      text,
    })),
  );
}
