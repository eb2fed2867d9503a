/** Redis Streams through its official client for Node: explicit pipelines for batches, its own pipelining for single calls. */
import { createClient } from 'redis';
import type { Publisher } from '../../src/cli/bench/drive.ts';
import { payloadOf } from '../../src/cli/bench/drive.ts';
import type { Client, ClientOptions, Gather } from './client.ts';
import { BATCH, UNDER_WAY } from './client.ts';

type Connection = ReturnType<typeof connectionTo>;

interface Entry {
  readonly id: string;
  readonly message: Record<string, string>;
}

/** Entries that are read, and acked with one command, at a time. */
const READ = 500;
const FIELD = 'd';
const CONSUMER = `c${process.pid}`;

class RedisStreams implements Client {
  readonly #options: ClientOptions;
  readonly #connection: Connection;
  /** A blocking read keeps its connection busy. */
  readonly #reader: Connection;

  constructor(options: ClientOptions, connection: Connection, reader: Connection) {
    this.#options = options;
    this.#connection = connection;
    this.#reader = reader;
  }

  async prepare(): Promise<void> {
    // A stream begins with its first entry.
  }

  async clean(stream: string): Promise<void> {
    await this.#connection.del(stream);
  }

  publisher(stream: string, gather: Gather): Publisher {
    const payload = Buffer.from(payloadOf(this.#options.size));
    const args = ['XADD', stream, '*', FIELD, payload];
    if (gather === 'one') return { messagesPerCall: 1, callsUnderWay: UNDER_WAY, call: () => this.#connection.sendCommand(args) };
    const call = async () => {
      const pipeline = this.#connection.multi();
      for (let i = 0; i < BATCH; i++) pipeline.addCommand(args);
      // A refused command is an Error among the answers.
      for (const said of await pipeline.execAsPipeline()) if ((said as unknown) instanceof Error) throw said as unknown;
    };
    return { messagesPerCall: BATCH, callsUnderWay: UNDER_WAY / BATCH, call };
  }

  async makeGroup(stream: string, group: string): Promise<void> {
    await this.#connection.xGroupCreate(stream, group, '0');
  }

  async removeGroup(stream: string, group: string): Promise<void> {
    await this.#connection.xGroupDestroy(stream, group);
  }

  async consume(stream: string, group: string, count: number): Promise<void> {
    const acks: Promise<unknown>[] = [];
    for (let seen = 0; seen < count; ) {
      const messages = await this.#read(stream, group, 1_000, Math.min(READ, count - seen));
      if (messages.length === 0) throw new Error(`Only ${seen} of ${count} messages came.`);
      seen += messages.length;
      // Not awaited here: the next read is on its way while these are settled.
      acks.push(this.#ack(stream, group, messages));
    }
    await Promise.all(acks);
  }

  publish(stream: string, payload: Uint8Array): Promise<unknown> {
    return this.#connection.sendCommand(['XADD', stream, '*', FIELD, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)]);
  }

  async follow(stream: string, deliver: (payload: Uint8Array) => void): Promise<() => Promise<void>> {
    await this.#connection.xGroupCreate(stream, 'g', '$', { MKSTREAM: true });
    let over = false;
    const acks: Promise<unknown>[] = [];
    const loop = (async () => {
      while (!over) {
        const messages = await this.#read(stream, 'g', 100);
        for (const { message } of messages) deliver(Buffer.from(message[FIELD]!, 'latin1'));
        if (messages.length > 0) acks.push(this.#ack(stream, 'g', messages));
      }
      await Promise.all(acks);
    })();
    return () => {
      over = true;
      return loop;
    };
  }

  async close(): Promise<void> {
    await Promise.all([this.#connection.close(), this.#reader.close()]);
  }

  async #read(stream: string, group: string, blockMs: number, most = READ): Promise<Entry[]> {
    const answer = (await this.#reader.xReadGroup(group, CONSUMER, { key: stream, id: '>' }, { COUNT: most, BLOCK: blockMs })) as
      | { messages: Entry[] }[]
      | null;
    return answer?.[0]?.messages ?? [];
  }

  #ack(stream: string, group: string, messages: readonly Entry[]): Promise<unknown> {
    return this.#connection.xAck(
      stream,
      group,
      messages.map(({ id }) => id),
    );
  }
}

export async function open(options: ClientOptions): Promise<Client> {
  const connection = connectionTo(options.port);
  const reader = connectionTo(options.port);
  await Promise.all([connection.connect(), reader.connect()]);
  return new RedisStreams(options, connection, reader);
}

/** Without a time limit for each command, which is the client's default and costs it more than the command does. */
function connectionTo(port: number) {
  return createClient({ url: `redis://127.0.0.1:${port}`, commandOptions: { timeout: 0 } });
}
