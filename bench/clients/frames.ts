/**
 * Frames by hand over a WebSocket: opaque record batches, as little client as there can be. The bare baseline and Wayside
 * are driven by this same one.
 *
 * A batch is built anew for each call, message by message, since somebody has to.
 */
import { once } from 'node:events';
import { decode, Encoder } from '@msgpack/msgpack';
import type { WebSocket } from 'ws';
import { TrustedWebSocket } from '../../src/adapters/node/index.ts';
import type { Publisher } from '../../src/cli/bench/drive.ts';
import { payloadOf } from '../../src/cli/bench/drive.ts';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import type { ClientFrame, FrameProduced, ServerFrame } from '../../src/protocol/frames.ts';
import { FRAME_PROTOCOLS } from '../../src/protocol/frames.ts';
import type { Client, ClientOptions, Gather } from './client.ts';
import { BATCH, UNDER_WAY } from './client.ts';

interface Call {
  resolve(ok: unknown): void;
  reject(error: Error): void;
}

type Numbered<F> = F extends { readonly id: number } ? Omit<F, 'id'> : never;

class Frames implements Client {
  readonly #options: ClientOptions;
  readonly #socket: WebSocket;
  readonly #encoder = new Encoder();
  readonly #calls = new Map<number, Call>();
  #id = 0;

  constructor(options: ClientOptions, socket: WebSocket) {
    this.#options = options;
    this.#socket = socket;
    socket.on('message', (data) => this.#receive(decode(data as Buffer) as ServerFrame));
    socket.on('close', (code) => {
      for (const { reject } of this.#calls.values()) reject(new Error(`The socket was closed with ${code}.`));
    });
  }

  async prepare(stream: string): Promise<void> {
    await this.#control('PUT', `/v1/stations/${stream}`, { durability: this.#options.durability });
  }

  async clean(stream: string): Promise<void> {
    await this.#control('DELETE', `/v1/stations/${stream}`);
  }

  publisher(stream: string, gather: Gather): Publisher {
    if (gather === 'one') throw new TypeError('Frames by hand gather nothing.');
    const message = { payload: payloadOf(this.#options.size) };
    const builder = new BatchBuilder(BATCH * (this.#options.size + 16));
    const call = async () => {
      builder.reset();
      for (let i = 0; i < BATCH; i++) builder.append(message);
      const { errors } = (await this.#ask({ op: 'produce', station: stream, partition: 0, records: builder.finish() })) as FrameProduced;
      if (errors.length > 0) throw new Error(`A message was refused: ${errors[0]![1]}.`);
    };
    return { messagesPerCall: BATCH, callsUnderWay: UNDER_WAY / BATCH, call };
  }

  async close(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  async #control(method: string, path: string, body?: unknown): Promise<void> {
    const { status, body: said } = (await this.#ask({ op: 'call', method, path, body })) as { status: number; body: unknown };
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(said)}`);
  }

  #ask(frame: Numbered<ClientFrame>): Promise<unknown> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      // The bytes are taken before `send` returns, so the encoder's own buffer will do.
      this.#socket.send(this.#encoder.encodeSharedRef({ ...frame, id }));
    });
  }

  #receive(frame: ServerFrame): void {
    if ('op' in frame && frame.op === 'ping') this.#socket.send(this.#encoder.encode({ op: 'pong' }));
    if (!('id' in frame)) return;
    const call = this.#calls.get(frame.id);
    if (call === undefined) throw new Error(`An answer to ${frame.id}, which was not asked.`);
    this.#calls.delete(frame.id);
    if ('error' in frame) call.reject(new Error(`${frame.error.code}: ${frame.error.detail}`));
    else call.resolve(frame.ok);
  }
}

export async function open(options: ClientOptions): Promise<Client> {
  const socket = new TrustedWebSocket(`ws://127.0.0.1:${options.port}/v1/ws`, [FRAME_PROTOCOLS[0]]);
  await once(socket, 'open');
  const welcome = once(socket, 'message');
  socket.send(new Encoder().encode({ op: 'hello' }));
  const first = decode((await welcome)[0] as Buffer) as { op?: string };
  if (first.op !== 'welcome') throw new Error(`The server said ${JSON.stringify(first)} to hello.`);
  return new Frames(options, socket);
}
