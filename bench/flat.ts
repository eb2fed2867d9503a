/**
 * What must not grow: the same work beside much of something and beside little of it, by CPU time, in turn.
 *
 * Holds: both sides are there at once, in one broker; a pair is measured one after the other, and the pairs alternate.
 */
import { join } from 'node:path';
import { BatchBuilder } from '../src/core/batch/build.ts';
import type { Broker, LeasedBlock } from '../src/core/broker.ts';
import type { Taken } from './counted.ts';
import { Meter } from './counted.ts';
import { ackAll, batchOf, brokerOn, folder, inFlight, NS, take } from './place.ts';
import type { Row } from './report.ts';
import type { Run } from './rounds.ts';

/** Pairs at least: a difference of a fifth has to be told from noise. */
const PAIRS = 9;
/** What is measured in one go. */
const TURNS = 1_000;
const COUNT = 100;
const BATCH = batchOf(COUNT, 128);
const PAYLOAD = new Uint8Array(128);

/** A situation in which the same work is done. */
interface Case {
  readonly name: string;
  /** @returns one piece of the work; it leaves everything as it was */
  prepare(broker: Broker): Promise<() => Promise<void>>;
}

interface Contest {
  readonly what: string;
  readonly much: Case;
  readonly little: Case;
  /** What the ratio should be at least, unless it should be flat. */
  readonly goal?: number;
}

export async function run({ rounds }: Run): Promise<Row[]> {
  const place = folder();
  const meter = new Meter();
  const { broker } = await brokerOn(join(place.path, 'data'), meter.through);
  const rows: Row[] = [];
  for (const contest of CONTESTS) rows.push(await compare(contest, broker, meter, Math.max(rounds, PAIRS)));
  rows.push(await journal(broker, meter));
  await broker.close();
  place.remove();
  return rows;
}

async function compare({ what, much, little, goal = 0.8 }: Contest, broker: Broker, meter: Meter, pairs: number): Promise<Row> {
  const work = [await much.prepare(broker), await little.prepare(broker)];
  const taken: [Taken[], Taken[]] = [[], []];
  for (let pair = -2; pair < pairs; pair++) {
    // Whoever is second finds caches warm, so each is second as often.
    for (const side of pair % 2 === 0 ? [0, 1] : [1, 0]) {
      const each = await meter.of(() => inFlight(TURNS, 1, work[side]!));
      if (pair >= 0) taken[side]!.push(each);
    }
  }
  const rate = ({ micros }: Taken) => (TURNS * COUNT * 1e6) / micros;
  const [ours, base] = taken;
  return {
    name: `${what}: ${much.name}`,
    unit: 'messages per CPU second',
    ours: { values: ours.map(rate) },
    beside: [{ name: little.name, values: base.map(rate), goal }],
    note: `written: ${counted(ours)}; beside it: ${counted(base)}.`,
  };
}

function counted(all: readonly Taken[]): string {
  const sum = (of: (taken: Taken) => number) => all.reduce((total, each) => total + of(each), 0) / (all.length * TURNS);
  return `${sum(({ bytes }) => bytes).toFixed(0)} bytes in ${sum(({ writes }) => writes).toFixed(2)} writes a turn of ${COUNT} messages`;
}

/** Bytes that leases and acks in ranges take, beside the messages themselves. */
async function journal(broker: Broker, meter: Meter): Promise<Row> {
  await broker.putStation(NS, 'journal', { durability: 'buffered' });
  await fill(broker, 'journal', 100_000);
  const { bytes } = await meter.of(async () => {
    for (let left = 100_000; left > 0; left -= 1_000) await ackAll(broker, 'journal', await take(broker, 'journal', 1_000));
  });
  return {
    name: 'journal of a message that is leased and acked, in ranges of 1,000',
    unit: 'bytes',
    ours: { values: [bytes / 100_000] },
    atMost: 2,
  };
}

// ── Situations ───────────────────────────────────────────────────────────────────────────────────────────────────

/** A station with so many messages that the group has still to get: it is fed as much as is taken. */
function unread(count: number): Case {
  return {
    name: `${count.toLocaleString('en')} waiting`,
    async prepare(broker) {
      const station = `unread-${count}`;
      await broker.putStation(NS, station, { durability: 'buffered', retention: { maxBytes: 2 ** 30 } });
      await broker.putGroup(NS, station, 'g', {});
      await fill(broker, station, count);
      return async () => {
        await broker.produce(NS, station, BATCH);
        await ackAll(broker, station, await take(broker, station, COUNT));
      };
    },
  };
}

/** So many messages are out, in leases of a hundred; the oldest lease is acked, and a new one is taken. */
function out(count: number): Case {
  return {
    name: `${count.toLocaleString('en')} in flight`,
    async prepare(broker) {
      const station = `out-${count}`;
      await broker.putStation(NS, station, { durability: 'buffered', retention: { maxBytes: 2 ** 30 } });
      await fill(broker, station, count);
      const leases: (readonly LeasedBlock[])[] = [];
      for (let left = count; left > 0; left -= COUNT) leases.push(await take(broker, station, COUNT));
      let oldest = 0;
      return async () => {
        await broker.produce(NS, station, BATCH);
        leases.push(await take(broker, station, COUNT));
        await ackAll(broker, station, leases[oldest]!);
        leases[oldest++] = [];
      };
    },
  };
}

/** A station with so many groups, of which nobody waits. */
function groups(count: number): Case {
  return {
    name: `${count.toLocaleString('en')} ${count === 1 ? 'group' : 'groups'}`,
    async prepare(broker) {
      const station = `groups-${count}`;
      await broker.putStation(NS, station, { durability: 'buffered', retention: { maxBytes: 2 ** 26 } });
      for (let i = 0; i < count; i++) await broker.putGroup(NS, station, `g${i}`, {});
      return async () => {
        await broker.produce(NS, station, BATCH);
      };
    },
  };
}

const KEYS = 10_000;

/** Messages of ten thousand keys, a thousand of them out at any time. */
function keyed(order: 'key' | 'none'): Case {
  return {
    name: order === 'key' ? `in the order of ${KEYS.toLocaleString('en')} keys` : 'in no order',
    async prepare(broker) {
      const station = `keyed-${order}`;
      await broker.putStation(NS, station, { durability: 'buffered', retention: { maxBytes: 2 ** 28 } });
      await broker.putGroup(NS, station, 'g', { order });
      let next = 0;
      const out: (readonly LeasedBlock[])[] = [];
      const produce = () => {
        const builder = new BatchBuilder(COUNT * 160);
        for (let i = 0; i < COUNT; i++) builder.append({ key: `k${(next++ * 7919) % KEYS}`, payload: PAYLOAD });
        return broker.produce(NS, station, builder.finish());
      };
      for (let i = 0; i < 10; i++) {
        await produce();
        out.push(await take(broker, station, COUNT));
      }
      return async () => {
        await produce();
        out.push(await take(broker, station, COUNT));
        await ackAll(broker, station, out.shift()!);
      };
    },
  };
}

const CONTESTS: readonly Contest[] = [
  { what: 'produce, fetch, ack', much: unread(1_000), little: unread(100) },
  { what: 'produce, fetch, ack', much: unread(1_000_000), little: unread(100) },
  { what: 'fetch and ack the oldest', much: out(100_000), little: out(100) },
  { what: 'produce', much: groups(1_000), little: groups(1) },
  { what: 'produce, fetch, ack', much: keyed('key'), little: keyed('none'), goal: 0.5 },
];

async function fill(broker: Broker, station: string, count: number): Promise<void> {
  await inFlight(Math.ceil(count / COUNT), 8, () => broker.produce(NS, station, BATCH));
}
