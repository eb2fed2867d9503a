/** Exports and imports of a bench's broker, and what can be seen of a station. */
import type { ImportInput, ImportResult } from '../../src/core/broker.ts';
import type { Bench, Setup, Told } from './_broker.ts';
import { NS, openBench, produce, receipts, texts } from './_broker.ts';

export const SMALL = { settleBytes: 2_000 };
export const HOUR = 3_600_000;

export async function exported({ broker }: Bench, station: string | null = 's', offset?: number, id?: string): Promise<Uint8Array> {
  const stream = await broker.exportStream(NS, id === undefined ? { ...(station !== null && { station }) } : { id, offset });
  const pieces: Uint8Array[] = [];
  for await (const piece of stream.bytes) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** In pieces of odd lengths, as a network would. */
export async function* inPieces(bytes: Uint8Array, size = 1_009): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

export function imported({ broker }: Bench, bytes: Uint8Array, input: ImportInput = {}): Promise<ImportResult> {
  return broker.importStream(NS, input, inPieces(bytes));
}

/** A station with something of everything: trimmed, dead, leased, settled, delayed, by producers that count. */
export async function rich(setup: Setup = { on: 'disk' }, deadLetters = true): Promise<Bench> {
  const bench = await openBench({ partitions: 2, dedupWindowMs: HOUR }, { limits: SMALL, ...setup });
  const { broker } = bench;
  const many = (from: number, count: number): Told[] =>
    Array.from({ length: count }, (_, i) => ({
      payload: `m${from + i} ${'x'.repeat(90)}`,
      key: `k${i % 7}`,
      id: `id${from + i}`,
      headers: [['h', 'v']],
    }));
  for (let round = 0; round < 20; round++) await produce(broker, many(round * 20, 20));
  await broker.putGroup(NS, 's', 'keyed', { order: 'key', maxDeliveries: 2 });
  await broker.putGroup(NS, 's', 'idle', { startAt: 'end' });
  const { blocks } = await broker.fetch(NS, 's', 'keyed', { consumer: 'c', max: 10 });
  await broker.settle(NS, 's', 'keyed', 'ack', { receipts: receipts(blocks).slice(0, 4) });
  if (deadLetters) await broker.settle(NS, 's', 'keyed', 'reject', { receipts: receipts(blocks).slice(4, 8), reason: 'bad' });
  await broker.purge(NS, 's', { upTo: 150 });
  await produce(broker, [{ payload: 'later', key: 'k', delayMs: HOUR, id: 'delayed' }]);
  await produce(broker, ['p1', 'p2'], { partition: 0, producer: { id: 'p', epoch: 3, sequence: 1 } });
  await broker.fetch(NS, 's', 'keyed', { consumer: 'gone', max: 5, leaseMs: 60_000 });
  return bench;
}

export async function shown({ broker }: Bench, station: string) {
  const { id: _, ...info } = { id: 0, ...(await broker.station(NS, station)) };
  const groups = await Promise.all(
    (await broker.groups(NS, station, {})).items.map(async ({ name }) => ({
      group: await broker.group(NS, station, name).then(({ members, ...group }) => ({
        ...group,
        members: members.filter(({ inFlight }) => inFlight > 0),
      })),
      audit: await broker.audit(NS, station, name),
      pending: (await broker.pending(NS, station, name, {})).items.map(({ receipt: _, ...each }) => each),
    })),
  );
  const messages = texts((await broker.read(NS, station, { limit: 10_000, maxBytes: 8_000_000 })).blocks);
  const letters = (await broker.deadLetters(NS, station, {})).items.map(({ message, id: _id, ...rest }) => ({
    ...rest,
    message: texts([message]),
  }));
  const delayed = (await broker.schedules(NS, station, {})).items.map(({ scheduleId: _, ...rest }) => rest);
  return { info: { ...info, name: '' }, groups, messages: messages.sort(), letters, delayed };
}
