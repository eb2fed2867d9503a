/** JetStream through its official client, with the setting that its docs advise for speed (`noAsyncTraces`). */

import type { Consumer, ConsumerMessages, JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import { AckPolicy, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { connect } from '@nats-io/transport-node';
import type { Publisher } from '../../src/cli/bench/drive.ts';
import { payloadOf } from '../../src/cli/bench/drive.ts';
import type { Client, ClientOptions } from './client.ts';
import { PREFETCH, UNDER_WAY } from './client.ts';

/** A server that syncs each message may fall seconds behind: that is a low rate, not an error. */
const TIMEOUT_MS = 60_000;
/** How often it is looked whether a shared group has all. */
const LOOK_MS = 10;

class JetStream implements Client {
  readonly #options: ClientOptions;
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #streams: JetStreamClient;

  constructor(options: ClientOptions, connection: NatsConnection, manager: JetStreamManager) {
    this.#options = options;
    this.#connection = connection;
    this.#manager = manager;
    this.#streams = jetstream(connection, { timeout: TIMEOUT_MS });
  }

  async prepare(stream: string): Promise<void> {
    await this.#manager.streams.add({ name: stream, subjects: [stream], storage: StorageType.File });
  }

  async clean(stream: string): Promise<void> {
    await this.#manager.streams.delete(stream);
  }

  /** The protocol has no batch: a batch is as many messages under way. */
  publisher(stream: string): Publisher {
    const payload = payloadOf(this.#options.size);
    return { messagesPerCall: 1, callsUnderWay: UNDER_WAY, call: () => this.publish(stream, payload) };
  }

  async makeGroup(stream: string, group: string): Promise<void> {
    await this.#manager.consumers.add(stream, { durable_name: group, ack_policy: AckPolicy.Explicit, max_ack_pending: 8 * PREFETCH });
  }

  async removeGroup(stream: string, group: string): Promise<void> {
    await this.#manager.consumers.delete(stream, group);
  }

  async consume(stream: string, group: string, count: number, isShared: boolean): Promise<void> {
    const consumer = await this.#streams.consumers.get(stream, group);
    const messages = await consumer.consume({ max_messages: PREFETCH });
    // What one has fetched ahead nobody else gets: so of a shared one each takes what comes, until all is acked.
    const looks = isShared ? setInterval(() => void this.#endWhenDrained(consumer, messages), LOOK_MS) : undefined;
    let seen = 0;
    for await (const message of messages) {
      if (++seen < count || isShared) message.ack();
      else {
        // Acks are taken in order, so the answer to the last one speaks for all of them.
        await message.ackAck();
        break;
      }
    }
    clearInterval(looks);
    const { num_ack_pending: left } = await consumer.info();
    if (left > 0) throw new Error(`${left} messages were not acked.`);
  }

  async #endWhenDrained(consumer: Consumer, messages: ConsumerMessages): Promise<void> {
    const { num_ack_pending: out, num_pending: waiting } = await consumer.info();
    if (out + waiting === 0) messages.stop();
  }

  publish(stream: string, payload: Uint8Array): Promise<unknown> {
    return this.#streams.publish(stream, payload);
  }

  async follow(stream: string, deliver: (payload: Uint8Array) => void): Promise<() => Promise<void>> {
    await this.#manager.consumers.add(stream, { durable_name: 'g', ack_policy: AckPolicy.Explicit, max_ack_pending: 2 * PREFETCH });
    const consumer = await this.#streams.consumers.get(stream, 'g');
    const messages = await consumer.consume({ max_messages: PREFETCH });
    const loop = (async () => {
      for await (const message of messages) {
        deliver(message.data);
        message.ack();
      }
    })();
    return async () => {
      await messages.close();
      await loop;
    };
  }

  async close(): Promise<void> {
    await this.#connection.drain();
  }
}

export async function open(options: ClientOptions): Promise<Client> {
  const connection = await connect({ servers: `127.0.0.1:${options.port}`, noAsyncTraces: true, timeout: TIMEOUT_MS });
  return new JetStream(options, connection, await jetstreamManager(connection));
}
