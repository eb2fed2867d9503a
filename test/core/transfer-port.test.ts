/** What a partition holds for exports ends by itself, and what is laid down for an import belongs to one life of its volume. */
import { describe, expect, test } from 'vitest';
import { MemoryVolume } from '../../src/adapters/memory/volume.ts';
import { Gate } from '../../src/core/actor/gate.ts';
import { LocalTransferPlaces } from '../../src/core/broker/transfer-places.ts';
import { actorKey } from '../../src/core/ports.ts';
import type { ExportSource } from '../../src/core/transfer/port.ts';
import { LocalTarget } from '../../src/core/transfer/target.ts';
import { World } from '../simulation/world.ts';
import type { Bench } from './_broker.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';
import { exported, imported } from './_transfer.ts';

/** The one partition of `s`, as an export has it. */
async function sourceOf(bench: Bench): Promise<ExportSource> {
  const { source } = LocalTransferPlaces.prototype;
  let found: ExportSource | undefined;
  LocalTransferPlaces.prototype.source = async function (station, partition) {
    found = await source.call(this, station, partition);
    return found;
  };
  await exported(bench);
  LocalTransferPlaces.prototype.source = source;
  return found!;
}

/** A dead letter is sent to `t`. */
async function sendLetter({ broker }: Bench): Promise<void> {
  await broker.putStation(NS, 't', {});
  await produce(broker, ['a']);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  await broker.settle(NS, 's', 'g', 'reject', { receipts: receipts(blocks), reason: '' });
  await broker.redrive(NS, 's', { all: true, to: { station: 't' } });
}

async function arrived({ broker }: Bench): Promise<string[]> {
  return texts((await broker.read(NS, 't', {})).blocks);
}

describe('sending that is held', () => {
  test('waits, and goes on when it is let go', async () => {
    const bench = await openBench();
    const source = await sourceOf(bench);
    const hold = await source.holdSending();
    await sendLetter(bench);
    await bench.pass(10_000);
    expect(await arrived(bench)).toEqual([]);
    expect(await source.note(hold)).toMatchObject({ intents: [{ place: 1 }] });
    expect(await source.releaseSending(hold)).toBe(true);
    await bench.pass(100);
    expect(await arrived(bench)).toEqual(['0.1 a']);
  });

  test('goes on by itself in the end, and whoever held it is told', async () => {
    const bench = await openBench();
    const source = await sourceOf(bench);
    const hold = await source.holdSending();
    await sendLetter(bench);
    await bench.pass(31_000);
    expect(await arrived(bench)).toEqual(['0.1 a']);
    expect(await source.note(hold)).toBeUndefined();
    expect(await source.releaseSending(hold)).toBe(false);
  });

  test('goes before the station is removed', async () => {
    const bench = await openBench();
    const source = await sourceOf(bench);
    const hold = await source.holdSending();
    await sendLetter(bench);
    await bench.broker.removeStation(NS, 's');
    expect(await arrived(bench)).toEqual(['0.1 a']);
    expect(await codeOf(source.note(hold))).toBe('STATION_NOT_FOUND');
    expect(await source.releaseSending(hold)).toBe(false);
  });
});

describe('what was noted', () => {
  test('is kept for as long as somebody asks for it', async () => {
    const bench = await openBench({}, { limits: { exportIdleMs: 1_000 } });
    await produce(bench.broker, ['a']);
    const source = await sourceOf(bench);
    const hold = await source.holdSending();
    await source.note(hold);
    await source.releaseSending(hold);
    await bench.broker.purge(NS, 's', {});
    for (let times = 0; times < 3; times++) {
      await bench.pass(1_200);
      await source.renew(hold);
    }
    expect(await source.entries(hold, 1, 1)).toHaveLength(1);
    await bench.pass(1_600);
    expect(await codeOf(source.entries(hold, 1, 1))).toBe('UNAVAILABLE');
    await source.release(hold);
  });

  test('is not mixed with what another export noted', async () => {
    const bench = await openBench();
    const { broker } = bench;
    await produce(broker, ['a']);
    const first = await broker.exportStream(NS, { station: 's' });
    await produce(broker, ['b']);
    expect(await codeOf(broker.exportStream(NS, { station: 's' }))).toBe('OVERLOADED');
    for await (const _ of first.bytes);
    await imported(bench, await exported(bench), { station: 'copy' });
    expect(texts((await broker.read(NS, 'copy', {})).blocks)).toEqual(['0.1 a', '0.2 b']);
  });
});

test('what is laid down belongs to one life of the volume, and goes whenever it was laid down', async () => {
  const world = new World(1);
  const volume = new MemoryVolume(world.process('p'));
  const gate = new Gate(volume);
  await volume.open({ progressed: () => gate.progressed(), failed: () => undefined, settle: () => undefined });
  const key = actorKey(1, 2, 3);
  const target = new LocalTarget(key, { volume, gate });
  const life = await target.begin();
  const trim = { do: 'trim', actor: key, data: 8, state: 8 } as const;
  await target.lay(life, [[trim]], 'made');
  expect(volume.info(key)?.last).toBe(7);
  expect(await codeOf(target.lay(life + 1, [[trim]], 'made'))).toBe('UNAVAILABLE');
  const removed = new LocalTarget(key, { volume, gate }).remove();
  await world.pass(10);
  await removed;
  expect(volume.info(key)).toBeUndefined();
});
