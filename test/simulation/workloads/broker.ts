/**
 * What a broker is asked for: stations, groups and messages, and how often each kind of call comes.
 *
 * Holds: all is drawn from the seed, and swarm-wise: a seed has few kinds of call and of fault, and those often, so that
 * rare meetings become common in some seeds. Elsewhere: the calls (clients.ts), when lives end (../broker.ts).
 */
import type { NewMessage } from '../../../src/core/batch/build.ts';
import { BatchBuilder } from '../../../src/core/batch/build.ts';
import { RecordCursor } from '../../../src/core/batch/cursor.ts';
import type { GroupInput, Place, StationInput } from '../../../src/core/calls.ts';
import type { Limits } from '../../../src/core/limits.ts';
import type { LogSettings } from '../../../src/core/volume/settings.ts';
import { FILTERS } from '../checkers/choice.ts';
import { recordOf } from '../checkers/log.ts';
import type { Sent, StationSlot, Told } from '../checkers/told.ts';
import type { FaultOdds } from '../faults/files.ts';
import { NO_FAULTS } from '../faults/files.ts';
import type { Chance } from '../world.ts';
import type { Counting } from './counting.ts';
import type { SteppingHabits } from './stepping.ts';
import { drawStepping } from './stepping.ts';

/** How a life ends: `at a call`: of the disk; `at an answer`: as a client hears it. */
export type End = 'cut' | 'kill' | 'close' | 'cut at a call' | 'kill at a call' | 'cut at an answer' | 'kill at an answer';

export interface Habits {
  /** Weights of what an administrator does. */
  readonly admin: Readonly<Record<AdminCall, number>>;
  readonly fetch: number;
  readonly settle: number;
  readonly verbs: Readonly<Record<'ack' | 'nack' | 'extend' | 'reject', number>>;
  readonly ids: number;
  readonly repeats: number;
  readonly keys: number;
  readonly expires: number;
  readonly delays: number;
  readonly named: number;
  readonly large: number;
  readonly tooLarge: number;
  readonly batch: number;
  readonly batchMost: number;
  readonly atomic: number;
  readonly expected: number;
  readonly waits: number;
  readonly cancels: number;
  readonly late: number;
  readonly foreign: number;
  readonly ranges: number;
  readonly release: number;
  /** Longest pause between two calls of a client. */
  readonly pauseMs: number;
}

export type AdminCall =
  | 'info'
  | 'read'
  | 'message'
  | 'group'
  | 'pending'
  | 'letters'
  | 'cancel'
  | 'redrive'
  | 'removeLetter'
  | 'patch'
  | 'purge'
  | 'seek'
  | 'patchGroup'
  | 'remakeGroup'
  | 'remakeStation'
  | 'list'
  | 'absent';

export interface Profile {
  readonly stations: readonly { readonly config: StationInput; readonly groups: number }[];
  readonly habits: Habits;
  readonly counting: Counting;
  readonly stepping: SteppingHabits | undefined;
  readonly producers: number;
  readonly consumers: number;
  readonly readers: number;
  readonly lives: number;
  /** Most calls of a client in a life. */
  readonly calls: number;
  /** Virtual length of a life, unless it is cut short. */
  readonly lifeMs: number;
  readonly ends: Readonly<Record<End, number>>;
  readonly odds: FaultOdds;
  readonly capacityBytes: number;
  readonly settings: Partial<LogSettings>;
  readonly limits: Partial<Limits>;
  readonly callMs: number;
  readonly flips: number;
  /** Share of lives at whose start the wall clock is somewhere else. */
  readonly wallJumps: number;
  /** By ten years, even. */
  readonly yearJumps: boolean;
  /** Everything is read at the start of each life. */
  readonly audits: boolean;
}

export function drawProfile(chance: Chance): Profile {
  const segmentBytes = chance.pick([16, 32, 64]) * 1024;
  const chunkBytes = Math.floor(segmentBytes * chance.pick([0.25, 1]));
  const odds = { ...NO_FAULTS };
  const most: [keyof FaultOdds, number][] = [
    ['write', 0.01],
    ['sync', 0.05],
    ['syncFolder', 0.05],
    ['read', 0.03],
    ['flippedRead', 0.02],
    ['folder', 0.03],
  ];
  if (chance.happens(0.5)) for (const [fault, share] of most) if (chance.happens(0.35)) odds[fault] = share * chance.fraction();
  if (odds.write > 0) odds.shortWrite = chance.pick([0, 0.5, 1]);
  const weight = (): number => chance.pick([0, 1, 1, 4]);
  const yearJumps = chance.happens(0.25);
  const counting = drawCounting(chance, yearJumps);
  const stations = Array.from({ length: chance.pick([1, 1, 2, 3]) }, () => ({
    config: drawStation(chance, counting.repeats > 0 && chance.happens(0.3)),
    groups: chance.pick([1, 1, 2, 3]),
  }));
  return {
    stations,
    habits: drawHabits(chance),
    counting,
    stepping: drawStepping(chance.fork('stepping')),
    producers: chance.pick([1, 2, 3]),
    consumers: chance.pick([1, 2, 4]),
    readers: chance.pick([0, 1]),
    lives: chance.between(1, 5),
    calls: chance.pick([10, 30, 80]),
    lifeMs: chance.pick([100, 300, 1000, 4000]),
    ends: {
      'cut at an answer': 1 + weight(),
      'cut at a call': weight(),
      cut: weight(),
      'kill at an answer': weight(),
      'kill at a call': weight(),
      kill: weight(),
      close: weight(),
    },
    odds,
    capacityBytes: chance.happens(0.15) ? segmentBytes * chance.between(6, 14) : Number.POSITIVE_INFINITY,
    settings: {
      segmentBytes,
      chunkBytes,
      tailBytes: chunkBytes * chance.pick([1, 2, 8]),
      gatherMs: chance.pick([0, 0, 2]),
      syncWithinMs: chance.pick([5, 50]),
      tableBytes: chance.pick([1024, 64 * 1024]),
      openFiles: chance.pick([2, 128]),
      settleMs: chance.pick([20, 500]),
      copyBytes: Math.floor(segmentBytes * chance.pick([0.1, 1])),
    },
    limits: {
      leaseMsMin: 10,
      leaseMsDefault: 400,
      maxDeliveriesDefault: DELIVERIES_DEFAULT,
      dedupWindowMsDefault: 2000,
      messageBytesMax: 4000,
      settleBytes: chance.pick([300, 2000, 20_000]),
      idSliceMax: chance.pick([10, 30, 4096]),
      listLimitMax: 1000,
      runsMax: chance.pick([5, 10_000]),
      lookAheadMax: chance.pick([4, 10_000]),
      passedMax: chance.pick([2, 10_000]),
      ...(counting.isForgetful && chance.pick([{ producersMax: 1 }, { producerMs: 100 }])),
    },
    callMs: chance.pick([0.05, 0.3, 3]),
    flips: chance.pick([0, 0, 0.5]),
    wallJumps: chance.pick([0, 0.3]),
    yearJumps,
    audits: chance.happens(0.6),
  };
}

export const DELIVERIES_DEFAULT = 10;

/** @param yearJumps the clock may have gone on by years: who was silent for so long is forgotten */
function drawCounting(chance: Chance, yearJumps: boolean): Counting {
  return {
    names: chance.pick([0, 1, 1, 2]),
    inFlight: chance.pick([1, 2, 5]),
    takeovers: chance.pick([0, 0.02, 0.1]),
    repeats: chance.pick([0, 0.1, 0.4]),
    swaps: chance.pick([0, 0, 0.2]),
    isForgetful: yearJumps || chance.happens(0.15),
  };
}

/** @param refuses messages are refused while there is no room, and there is room again */
function drawStation(chance: Chance, refuses: boolean): StationInput {
  const retention: Record<string, unknown> = refuses ? { maxMessages: chance.between(3, 20), untilAcked: true, discard: 'refuse' } : {};
  if (chance.happens(0.35)) retention.maxMessages = chance.between(3, 40);
  if (chance.happens(0.2)) retention.maxBytes = chance.between(300, 5000);
  if (chance.happens(0.2)) retention.maxAgeMs = chance.between(50, 3000);
  if (chance.happens(0.25)) retention.untilAcked = true;
  if (chance.happens(0.2)) retention.discard = 'refuse';
  return {
    partitions: chance.pick([1, 1, 2, 4]),
    durability: chance.pick(['synced', 'synced', 'synced', 'buffered', 'memory']),
    dedupWindowMs: chance.pick([0, 40, 300, 2000, 100_000]),
    maxMessageBytes: chance.pick([300, 4000]),
    retention: retention as StationInput['retention'],
    deadLetter: { maxAgeMs: chance.happens(0.15) ? chance.between(100, 3000) : undefined, expired: chance.happens(0.3) ? true : undefined },
  };
}

function drawHabits(chance: Chance): Habits {
  const share = (...of: number[]): number => chance.pick(of);
  return {
    admin: {
      info: share(0, 1),
      read: share(0, 2),
      message: share(0, 1),
      group: share(0, 1),
      pending: share(0, 1),
      letters: share(0, 1, 2),
      cancel: share(0, 1),
      redrive: share(0, 0, 1),
      removeLetter: share(0, 0, 0.5),
      patch: share(0, 0, 0.5),
      purge: share(0, 0, 0.3),
      seek: share(0, 0, 0.5),
      patchGroup: share(0, 0, 0.3),
      remakeGroup: share(0, 0, 0.3),
      remakeStation: share(0, 0, 0.3),
      list: share(0, 0.3),
      absent: share(0, 0.3),
    },
    fetch: 1,
    settle: share(0.3, 1, 2),
    verbs: { ack: share(1, 4), nack: share(0, 0, 1), extend: share(0, 0, 1), reject: share(0, 0, 0.5) },
    ids: share(0, 0.5, 1),
    repeats: share(0, 0.1, 0.4),
    keys: share(0, 0.5, 1),
    expires: share(0, 0, 0.3),
    delays: share(0, 0, 0.3),
    named: share(0, 0.3, 1),
    large: share(0, 0.1, 0.5),
    tooLarge: share(0, 0, 0.1),
    batch: share(0, 0.3, 0.8),
    batchMost: share(3, 10, 30),
    atomic: share(0, 0, 0.3),
    expected: share(0, 0, 0.6),
    waits: share(0, 0.3, 0.9),
    cancels: share(0, 0, 0.3),
    late: share(0, 0.2, 0.6),
    foreign: share(0, 0, 0.2),
    ranges: share(0, 0.5, 1),
    release: share(0, 0, 0.1),
    pauseMs: share(1, 5, 30),
  };
}

export function drawGroup(chance: Chance, last: number, now: number): GroupInput {
  const place = chance.pick(['start', 'start', 'start', 'end', 'sequence', 'time']);
  const startAt =
    place === 'sequence' ? chance.between(1, last + 3) : place === 'time' ? `time:${Math.max(0, now - chance.below(500))}` : place;
  return {
    startAt,
    order: chance.pick(['none', 'none', 'key', 'key', 'partition']),
    leaseMs: chance.pick([10, 50, 200, 1000]),
    maxDeliveries: chance.pick([1, 2, 3, 1000]),
    maxInFlight: chance.pick([undefined, undefined, 1, 3, 10]),
    maxInFlightPerConsumer: chance.pick([undefined, undefined, undefined, 1, 4]),
    backoff: chance.pick([undefined, undefined, [20, 100], { minMs: 10, maxMs: 200, jitterPercent: 50 }]),
    filter: chance.happens(0.25) ? chance.pick(Object.keys(FILTERS)) : undefined,
  };
}

export function drawPlace(chance: Chance, last: number, now: number): Place {
  return chance.pick<() => Place>([
    () => 'start',
    () => 'end',
    () => chance.between(1, last + 2),
    () => ({ time: Math.max(0, now - chance.below(1000)) }),
  ])();
}

export function drawPatch(chance: Chance): StationInput {
  return chance.pick<() => StationInput>([
    () => ({ retention: { maxMessages: chance.pick([null, chance.between(2, 30)]) } }),
    () => ({ retention: { maxBytes: chance.pick([null, chance.between(300, 5000)]) } }),
    () => ({ retention: { maxAgeMs: chance.pick([null, chance.between(50, 3000)]) } }),
    () => ({ retention: { untilAcked: chance.pick([null, true]) } }),
    () => ({ dedupWindowMs: chance.pick([0, 40, 300, 2000]) }),
    () => ({ retention: null }),
  ])();
}

/** A new message: unlike all others, and known by its payload. */
export function makeMessage(
  chance: Chance,
  habits: Habits,
  told: Told,
  slot: StationSlot,
  now: number,
  partition: number | undefined,
): Sent {
  const uid = told.uid();
  const most = slot.config.maxMessageBytes ?? 4000;
  const isTooLarge = chance.happens(habits.tooLarge);
  const length = isTooLarge
    ? most + chance.between(1, 50)
    : 4 + (chance.happens(habits.large) ? chance.below(Math.min(most, 1500) - 4) : chance.below(20));
  const payload = chance.bytes(length);
  new DataView(payload.buffer).setUint32(0, uid, true);
  const twin = chance.happens(habits.repeats) && slot.recent.length > 0 ? chance.pick(slot.recent) : undefined;
  const id = twin?.id ?? (chance.happens(habits.ids) ? `id ${uid}` : undefined);
  // A repeat carries the same key and partition, mostly.
  const key = twin !== undefined && chance.happens(0.9) ? twin.key : chance.happens(habits.keys) ? `k${chance.below(6)}` : undefined;
  const expiresMs = chance.happens(habits.expires) ? chance.pick([1, 20, 300, 10_000]) : undefined;
  const builder = new BatchBuilder(64);
  builder.append({
    key,
    expiresMs,
    id,
    payload,
    contentType: chance.happens(0.2) ? chance.pick(['text/plain', 'application/json', '']) : undefined,
    headers: chance.happens(0.2)
      ? [
          ['a', `${uid}`],
          ['a', ''],
        ]
      : undefined,
  });
  const sent: Sent = {
    uid,
    slot,
    key,
    id,
    record: recordOf(builder.finish()),
    isTooLarge,
    partition,
    // After a power cut a buffered station gives sequences again before anybody can see which were lost.
    delayMs: slot.config.durability !== 'buffered' && chance.happens(habits.delays) ? chance.pick([1, 30, 300, 2000]) : undefined,
    expiresMs,
    firstAt: now,
    possible: 0,
    places: [],
  };
  told.sent.set(uid, sent);
  if (id !== undefined) {
    slot.recent.push(sent);
    if (slot.recent.length > 12) slot.recent.shift();
  }
  return sent;
}

/** The record's fields: it is kept without the delay that it is sent with. */
function fieldsOf(record: Uint8Array): NewMessage {
  const cursor = new RecordCursor(record, 0, record.length);
  cursor.next();
  const { key, id, contentType, headers, expiresMs, payload } = cursor;
  return { key, id, contentType, headers, expiresMs: expiresMs < 0 ? undefined : expiresMs, payload };
}

export function batchOf(messages: readonly Sent[]): Uint8Array {
  const builder = new BatchBuilder();
  for (const { record, delayMs } of messages) {
    if (delayMs === undefined) builder.appendRecord(record, 0, record.length);
    else builder.append({ ...fieldsOf(record), delayMs });
  }
  return builder.finish();
}

/** One of the names, by weight; undefined when all are 0. */
export function pickWeighted<T extends string>(chance: Chance, weights: Readonly<Record<T, number>>): T | undefined {
  const entries = Object.entries(weights) as [T, number][];
  let draw = chance.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    draw -= weight;
    if (draw < 0) return name;
  }
  return undefined;
}
