/**
 * What the bench asks of every client, so that all of them are driven by the same loops (src/cli/bench/drive.ts).
 *
 * Elsewhere: the process in which one runs (main.ts), and its side of a server (frames.ts, sdk.ts, redis.ts, nats.ts).
 */
import type { Followed, Publisher } from '../../src/cli/bench/drive.ts';

export type ClientKind = 'frames' | 'sdk' | 'redis' | 'nats';

export interface ClientOptions {
  readonly kind: ClientKind;
  readonly port: number;
  /** Of the stations that Wayside's clients make; the other servers have one promise for everything. */
  readonly durability: 'synced' | 'buffered';
  /** Bytes of a payload. */
  readonly size: number;
}

/** `batch`: in the largest pieces that this client's users would; `one`: a promise a message, gathered by the client itself. */
export type Gather = 'batch' | 'one';

/** Frames by hand only publish batches; the others do everything. */
export interface Client extends Partial<Followed> {
  /** Makes an empty stream (a station, a key). */
  prepare(stream: string): Promise<void>;
  clean(stream: string): Promise<void>;
  publisher(stream: string, gather: Gather): Publisher;
  /** Reads `count` messages through a new group from the start and acks each; resolves once the server has them all. */
  consume?(stream: string, group: string, count: number): Promise<void>;
  close(): Promise<void>;
}

/** Messages that a client has under way, whoever it is. */
export const UNDER_WAY = 1_000;
export const BATCH = 100;
/** What a consumer may hold at a time, whoever it is. */
export const PREFETCH = 2_000;
