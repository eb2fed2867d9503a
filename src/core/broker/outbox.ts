/**
 * Sends what partitions have for others.
 *
 * Holds: nothing is sent before it is durable that it is on its way, and nothing counts as sent before it is durable in the
 * target, each by a sync, whatever the stations ask for; the target knows the sender by a producer's sequence, so that
 * what is sent again after a crash is there once. To one target things go in order, and one that cannot take them now holds up
 * no other. What is refused for good goes back to its partition. Dead letters that are to be copied are given their targets here.
 * Where a source's sending is held, nothing new goes, and of what has gone it learns nothing (transfer/cut.ts).
 * Elsewhere: what is on its way (partition/outbox.ts).
 */
import { BatchBuilder } from '../batch/build.ts';
import { checkBatch, trustedCrc } from '../batch/walk.ts';
import type { Station } from '../catalog/state.ts';
import type { Code } from '../errors.ts';
import { asWaysideError, WaysideError } from '../errors.ts';
import { isPlanted } from '../faults.ts';
import type { Limits } from '../limits.ts';
import type { PartitionCalls } from '../partition/calls.ts';
import type { Intent } from '../partition/outbox.ts';
import type { Outgoing } from '../partition/outgoing.ts';
import type { Partition } from '../partition/partition.ts';
import type { PartResult } from '../partition/produce.ts';
import type { Journal, Soon, Timers } from '../ports.ts';
import { actorParts } from '../ports.ts';
import { partitionFor } from '../route.ts';
import type { Places } from './places.ts';

/** Messages, and about the bytes, that go in one batch. */
const BATCH_COUNT = 500;
const BATCH_BYTES = 1024 * 1024;
const PAUSE_MS = 100;
const PAUSE_MS_MAX = 10_000;
/** Below it a pause is no reason to go to sleep. */
const PAUSE_MS_AWAKE = 1_000;

/** What the target may say of a message and will always say: sending it later is no use. */
const FOR_GOOD: ReadonlySet<Code> = new Set([
  'MESSAGE_TOO_LARGE',
  'BATCH_TOO_LARGE',
  'INVALID_REQUEST',
  'INVALID_RECORDS',
  'SCHEMA_REFUSED',
]);

/** What the catalog knows now. */
export interface Stations {
  byId(id: number): Soon<Station | undefined>;
  named(namespace: number, name: string): Soon<Station | undefined>;
}

type Send = (atomic: boolean) => Promise<PartResult>;
/** What is asked of a partition that something is sent to. */
type Target = Pick<PartitionCalls, 'produce' | 'synced'>;

export class Sending {
  readonly #places: Places;
  readonly #stations: Stations;
  /** Messages without key and id take turns. */
  #turn = 0;
  readonly #limits: Limits;
  readonly #timers: Timers;
  readonly #journal: Journal;
  /** Pairs of source and target that are at it. */
  readonly #running = new Set<string>();

  constructor(places: Places, stations: Stations, { limits, timers, journal }: { limits: Limits; timers: Timers; journal: Journal }) {
    this.#places = places;
    this.#stations = stations;
    this.#limits = limits;
    this.#timers = timers;
    this.#journal = journal;
  }

  /** Sees to it that what `source` has for others goes. */
  look(source: Partition): void {
    if (source.state.uncopied.size > 0) this.#copyAll(source);
    for (const { station, partition } of source.state.outbox.targets()) {
      const pair = `${source.log.key} ${station}.${partition}`;
      if (this.#running.has(pair)) continue;
      this.#running.add(pair);
      this.#send(source, station, partition)
        .catch((error: unknown) => {
          if (source.isOver) return;
          this.#journal.error(`Partition ${source.log.key} cannot send: ${error instanceof Error ? error.message : String(error)}`);
        })
        .finally(() => {
          this.#running.delete(pair);
          // What came after the last look is seen to by the next.
          if (!source.isOver && source.state.outbox.first(station, partition, 1).length > 0) this.look(source);
        });
    }
  }

  /** Says where copies of dead letters go. As long as there is no such station they wait. */
  #copyAll(source: Partition): void {
    const name = source.state.config?.deadLetter.station;
    const pair = `${source.log.key} copies`;
    if (name === undefined || source.isOver || this.#running.has(pair)) return;
    this.#running.add(pair);
    const [namespace] = actorParts(source.log.key);
    this.#copy(source, () => this.#stations.named(namespace, name))
      .catch((error: unknown) => {
        if (!source.isOver)
          this.#journal.error(`Partition ${source.log.key} cannot copy its dead letters: ${asWaysideError(error).message}`);
      })
      .finally(() => this.#running.delete(pair));
  }

  async #copy(source: Partition, find: () => Soon<Station | undefined>): Promise<void> {
    for (let pauseMs = PAUSE_MS; source.state.uncopied.size > 0 && !source.isOver; ) {
      const station = await find();
      const isFull = source.state.outbox.count >= this.#limits.intentsMax;
      if (station === undefined || isFull) {
        await this.#pause(pauseMs);
        pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2);
        continue;
      }
      const copied = await source.outgoing.copyLetters(station.id, (cursor) =>
        partitionFor(cursor, station.config.partitions, () => this.#turn++),
      );
      this.look(source);
      pauseMs = PAUSE_MS;
      // What is left is on its way elsewhere, and goes, or stays, with that.
      if (copied === 0) await this.#pause(pauseMs);
    }
  }

  async #send(source: Partition, station: number, partition: number): Promise<void> {
    let pauseMs = PAUSE_MS;
    const { valve } = source.outgoing;
    for (let most = BATCH_COUNT; !source.isOver; ) {
      if (valve.isHeld && !isPlanted('send-although-held')) {
        await valve.open();
        continue;
      }
      const intents = source.state.outbox.first(station, partition, most);
      if (intents.length === 0) return;
      try {
        await this.#batch(source, station, partition, intents);
        pauseMs = PAUSE_MS;
        most = BATCH_COUNT;
      } catch (thrown) {
        const error = asWaysideError(thrown);
        if (source.isOver) return;
        if (error.code === 'STALE_CONFIG' || error.code === 'STATION_NOT_FOUND') continue;
        // One of them cannot go: the others go one by one.
        if (most > 1 && (FOR_GOOD.has(error.code) || error.code === 'LIMIT_EXCEEDED')) {
          most = 1;
          continue;
        }
        await this.#pause(pauseMs);
        pauseMs = Math.min(PAUSE_MS_MAX, pauseMs * 2);
      }
    }
  }

  async #batch(source: Partition, stationId: number, partition: number, intents: readonly Intent[]): Promise<void> {
    if (!isPlanted('sent-before-intended')) await source.synced();
    const { outgoing } = source;
    const station = await this.#stations.byId(stationId);
    if (station === undefined)
      return outgoing.valve.through(() => outgoing.refused(intents, 'The station that it was sent to was removed.'));
    const builder = new BatchBuilder();
    for (const intent of intents) {
      await outgoing.appendIntent(builder, intent);
      if (builder.byteLength > BATCH_BYTES) break;
    }
    const taken = intents.slice(0, builder.count);
    const target = await this.#places.of(station, partition);
    const send = this.#sender(source, station, target, builder.finish(), taken[0]!);
    if (await this.#isRefused(send, taken)) return outgoing.valve.through(() => this.#skip(outgoing, target, send, taken));
    if (!isPlanted('ended-before-produced')) await target.synced();
    await outgoing.valve.through(() => outgoing.sent(taken));
  }

  /** What is refused alone uses its place, so that those behind it can go. Whoever looks before that is noted takes it for arrived. */
  async #skip(outgoing: Outgoing, target: Target, send: Send, intents: readonly Intent[]): Promise<void> {
    const [refusal] = (await send(false)).errors;
    if (!isPlanted('ended-before-produced')) await target.synced();
    if (refusal === undefined) await outgoing.sent(intents);
    else await outgoing.refused(intents, refusal.detail);
  }

  #sender(source: Partition, station: Station, target: Target, batch: Uint8Array, first: Intent): Send {
    const view = checkBatch(batch, { ...this.#limits, messageBytesMax: station.config.maxMessageBytes }, trustedCrc);
    const producer = isPlanted('sent-anew') ? undefined : { id: source.outgoing.senderName, epoch: 1, sequence: first.place };
    return (atomic) => target.produce({ view, input: { producer, atomic }, version: station.version });
  }

  /** Sends all of them or none. @returns whether the one message was refused for good */
  async #isRefused(send: Send, { length }: readonly Intent[]): Promise<boolean> {
    try {
      await send(true);
      return false;
    } catch (thrown) {
      if (length > 1 || !(thrown instanceof WaysideError) || !FOR_GOOD.has(thrown.code)) throw thrown;
      return true;
    }
  }

  /** Nobody waits for it: the process may sleep meanwhile, where it can. */
  #pause(ms: number): Promise<void> {
    const { wake } = this.#timers;
    return new Promise((resolve) => {
      if (wake === undefined || ms < PAUSE_MS_AWAKE) this.#timers.after(ms, resolve);
      else wake.call(this.#timers, ms, resolve);
    });
  }
}
