/** Wayside's own SDK, as an application uses it. */

import { TrustedWebSocket } from '../../src/adapters/node/index.ts';
import type { Publisher } from '../../src/cli/bench/drive.ts';
import { payloadOf } from '../../src/cli/bench/drive.ts';
import type { Station, Wayside, WaysideError } from '../../src/client/index.ts';
import { connect } from '../../src/client/index.ts';
import type { Client, ClientOptions, Gather } from './client.ts';
import { BATCH, PREFETCH, UNDER_WAY } from './client.ts';

class Sdk implements Client {
  readonly #options: ClientOptions;
  readonly #wayside: Wayside;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#wayside = connect(`http://127.0.0.1:${options.port}`, { WebSocket: TrustedWebSocket });
  }

  async prepare(stream: string): Promise<void> {
    await this.#station(stream).create({ durability: this.#options.durability });
  }

  async clean(stream: string): Promise<void> {
    await this.#station(stream).remove();
  }

  publisher(stream: string, gather: Gather): Publisher {
    const station = this.#station(stream);
    const payload = payloadOf(this.#options.size);
    if (gather === 'one') return { messagesPerCall: 1, callsUnderWay: UNDER_WAY, call: () => station.produce(payload) };
    const { keys } = this.#options;
    let next = 0;
    const message = () => (keys === undefined ? { payload } : { payload, key: `k${next++ % keys}` });
    const call = async () => {
      const batch = Array.from({ length: BATCH }, message);
      for (const result of (await station.produceMany(batch)).results) if (result instanceof Error) throw result;
    };
    return { messagesPerCall: BATCH, callsUnderWay: UNDER_WAY / BATCH, call };
  }

  async makeGroup(stream: string, group: string, byKey: boolean): Promise<void> {
    await this.#station(stream)
      .group(group)
      .create({ order: byKey ? 'key' : 'none' });
  }

  async removeGroup(stream: string, group: string): Promise<void> {
    await this.#station(stream).group(group).remove();
  }

  async consume(stream: string, group: string, count: number): Promise<void> {
    const lost: WaysideError[] = [];
    const messages = this.#station(stream)
      .group(group)
      .messages({ prefetch: { messages: PREFETCH }, onLost: (_, error) => lost.push(error) });
    let left = count;
    for await (const message of messages) {
      message.ack();
      if (--left === 0) break;
    }
    // Resolves when every ack is answered; one that did not count is told of.
    await messages.stop();
    if (lost.length > 0) throw lost[0];
  }

  publish(stream: string, payload: Uint8Array): Promise<unknown> {
    return this.#station(stream).produce(payload);
  }

  async follow(stream: string, deliver: (payload: Uint8Array) => void): Promise<() => Promise<void>> {
    const group = this.#station(stream).group('g');
    await group.create({ startAt: 'end' });
    const messages = group.messages({ prefetch: { messages: PREFETCH } });
    const loop = (async () => {
      for await (const message of messages) {
        deliver(message.bytes);
        message.ack();
      }
    })();
    return async () => {
      await messages.stop();
      await loop;
    };
  }

  async close(): Promise<void> {
    await this.#wayside.close();
  }

  #station(name: string): Station<unknown> {
    return this.#wayside.station(name);
  }
}

export function open(options: ClientOptions): Client {
  return new Sdk(options);
}
