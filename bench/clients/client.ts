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
  /** Keys that messages have by turns, where the server has keys; none unless given. */
  readonly keys?: number | undefined;
}

/** `batch`: in the largest pieces that this client's users would; `one`: a promise a message, gathered by the client itself. */
export type Gather = 'batch' | 'one';

/** Frames by hand only publish batches; the others do everything. */
export interface Client extends Partial<Followed> {
  /** Makes an empty stream (a station, a key). */
  prepare(stream: string): Promise<void>;
  clean(stream: string): Promise<void>;
  publisher(stream: string, gather: Gather): Publisher;
  /** A group that begins at the start. @param byKey one message of a key at a time, where the server has that */
  makeGroup?(stream: string, group: string, byKey: boolean): Promise<void>;
  removeGroup?(stream: string, group: string): Promise<void>;
  /**
   * Takes `count` messages of a group and acks each; resolves once the server has all acks.
   *
   * @param isShared others take messages of it too
   */
  consume?(stream: string, group: string, count: number, isShared: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Messages that a client has under way, whoever it is. */
export const UNDER_WAY = 1_000;
export const BATCH = 100;
/** What a consumer may hold at a time, whoever it is. */
export const PREFETCH = 2_000;
