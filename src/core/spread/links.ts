/** What the parts of a broker need of whatever lies between them. A host wires these. */
import type { ExportInput, ImportInput } from '../calls.ts';
import type { Station } from '../catalog/state.ts';
import type { Answer, Where } from './wire.ts';

/** From whoever has a partition's messages to ask for, to where the partition is. */
export interface PartitionLink {
  /** Calls by one asker to one partition arrive in their order. Rejects where what became of the call is not known. */
  ask(where: Where, method: string, args: readonly unknown[]): Promise<Answer>;
  /** Opens a channel for hints (hints.ts). */
  listen(where: Where, listener: ChannelListener): Promise<Channel>;
}

/** Texts in both directions, in their order, until one of them closes it or dies. */
export interface Channel {
  send(text: string): void;
  close(): void;
}

export interface ChannelListener {
  message(text: string): void;
  /** Called once. */
  closed(): void;
}

/** The far end of a channel, where the partition is: it survives that the process sleeps, and `kept` with it. */
export interface KeptChannel extends Channel {
  /** What was kept last; empty at first. */
  readonly kept: readonly number[];
  keep(state: readonly number[]): void;
}

/** What the catalog says of stations. A value is as durable as an answer. */
export interface Lookups {
  /** With its groups, once every partition knows them. @throws STATION_NOT_FOUND */
  find(namespace: string, station: string): Promise<Station>;
  /** The same, with this group in it: made where it is not there. @throws what making a group refuses */
  join(namespace: string, station: string, group: string, startAt: number | string | undefined): Promise<Station>;
  /** Is there such a station, or one that is just imported? */
  isAwaited(id: number): Promise<boolean>;
  byId(id: number): Promise<Station | undefined>;
  named(namespace: number, name: string): Promise<Station | undefined>;
}

/** From anywhere to the catalog. */
export interface CatalogLink {
  ask(what: 'broker' | 'lookups', method: string, args: readonly unknown[]): Promise<Answer>;
  /** The value is an `ExportStream`. */
  exportStream(namespace: string, input: ExportInput): Promise<Answer>;
  /** The value is an `ImportResult`. */
  importStream(namespace: string, input: ImportInput, pieces: AsyncIterable<Uint8Array>): Promise<Answer>;
}
