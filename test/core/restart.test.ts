/** Lives of a broker: closing, crashes, a storage that fails, clocks that are set, data that is damaged. */
import { expect, test } from 'vitest';
import { WaysideError } from '../../src/core/errors.ts';
import { codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';

test('after a clean close everything is as it was', async () => {
  const bench = await openBench({ partitions: 2 }, { on: 'disk' });
  const { broker } = bench;
  await produce(broker, ['a', 'b', 'c'], { partition: 0 });
  await produce(broker, [{ id: 'x', payload: 'd' }], { partition: 1 });
  await broker.putGroup(NS, 's', 'g', { leaseMs: 60_000 });
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  const given = receipts(blocks);
  await broker.settle(NS, 's', 'g', 'ack', { receipts: given.filter((receipt) => receipt.startsWith('0.2.')) });
  await broker.settle(NS, 's', 'g', 'reject', { receipts: given.filter((receipt) => receipt.startsWith('1.1.')) });
  const told = async () => ({
    station: await bench.broker.station(NS, 's'),
    group: await bench.broker.group(NS, 's', 'g'),
    pending: await bench.broker.pending(NS, 's', 'g', {}),
    letters: (await bench.broker.deadLetters(NS, 's', {})).items.map(({ message, ...letter }) => ({ ...letter, text: texts([message]) })),
  });
  const before = await told();
  await broker.close();
  await bench.open();
  expect(await told()).toEqual({ ...before, group: { ...before.group, members: expect.anything() } });
  expect((await produce(bench.broker, [{ id: 'x', payload: 'd' }], { partition: 1 })).duplicates).toEqual([[0, 1, 1]]);
});

test('closing ends those who wait, answers what was accepted, and refuses the rest', async () => {
  const bench = await openBench({}, { on: 'disk' });
  const { broker } = bench;
  const fetching = codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 20_000 }));
  const reading = codeOf(broker.read(NS, 's', { waitMs: 20_000 }));
  await bench.pass(10);
  const sent = produce(broker, ['a']);
  const closed = broker.close();
  expect(broker.close()).toBe(closed);
  expect((await sent).ranges).toEqual([[0, 1, 1]]);
  expect([await fetching, await reading]).toEqual(['SHUTTING_DOWN', 'SHUTTING_DOWN']);
  for (const call of [
    () => produce(broker, ['b']),
    () => broker.station(NS, 's'),
    () => broker.stations(NS, {}),
    () => broker.putStation(NS, 't', {}),
  ])
    expect(await codeOf(call)).toBe('SHUTTING_DOWN');
  await closed;
  await bench.open();
  expect(texts((await bench.broker.read(NS, 's', {})).blocks)).toEqual(['0.1 a']);
  expect(bench.stray).toEqual([]);
});

test('what was answered survives a power cut at once after it', async () => {
  const bench = await openBench({}, { on: 'disk' });
  await produce(bench.broker, ['a']);
  bench.cut();
  await bench.open();
  await bench.broker.putGroup(NS, 's', 'g', { maxDeliveries: 3 });
  bench.cut();
  await bench.open();
  const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) })).toEqual([]);
  bench.cut();
  await bench.open();
  expect((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toEqual([]);
});

test('delivery counts that were told do not fall, and a group goes on after its leases', async () => {
  const bench = await openBench({}, { on: 'disk' });
  await produce(bench.broker, ['a']);
  for (let life = 1; life <= 3; life++) {
    const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs: 1000, waitMs: 100 });
    expect(blocks).toMatchObject([{ first: 1, deliveries: life }]);
    // Written by now, though nobody waits for it.
    await bench.pass(100);
    bench.cut();
    await bench.pass(1000);
    await bench.open();
  }
});

test('a storage that fails refuses who waits, and is open again by itself with all that was answered', async () => {
  const bench = await openBench({}, { on: 'disk' });
  const { broker } = bench;
  await produce(broker, ['a']);
  const fetching = codeOf(broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 20_000, startAt: 'end' }));
  await bench.pass(20);
  bench.files.failNext('sync');
  expect(await codeOf(produce(broker, [{ id: 'x', payload: 'b' }]))).toBe('STORAGE_FAILED');
  expect(await fetching).toBe('STORAGE_FAILED');
  expect(await codeOf(broker.station(NS, 's'))).toBe('STORAGE_FAILED');
  await bench.pass(500);
  await produce(broker, [{ id: 'x', payload: 'b' }]);
  expect(texts((await broker.read(NS, 's', {})).blocks)).toEqual(['0.1 a', '0.2 b']);
  expect(bench.stray).toEqual([]);
});

test('a storage that fails again while it is opened again is opened once, and stays open', async () => {
  const bench = await openBench({}, { on: 'disk' });
  const { broker, volume } = bench;
  await produce(broker, ['a']);
  let failures = 3;
  const reopen = volume.reopen.bind(volume);
  let opened = 0;
  volume.reopen = async () => {
    await reopen();
    opened++;
    // What was commanded is carried on now, which writes.
    if (failures-- > 0) bench.files.failNext('sync');
  };
  bench.files.failNext('sync');
  expect(await codeOf(broker.patchStation(NS, 's', { dedupWindowMs: 77 }))).toBe('STORAGE_FAILED');
  await bench.pass(60_000);
  expect(opened).toBe(4);
  expect(await broker.station(NS, 's')).toMatchObject({ messages: 1, dedupWindowMs: 77 });
  await bench.pass(60_000);
  expect(opened).toBe(4);
  await produce(broker, ['b']);
});

test('a broker that is closed while its storage is opened again stays closed', async () => {
  const bench = await openBench({}, { on: 'disk', callMs: 5 });
  const { broker } = bench;
  bench.files.failNext('sync');
  await codeOf(produce(broker, ['a']));
  await bench.pass(105);
  const closed = broker.close();
  await Promise.race([closed.catch(() => undefined), bench.pass(5000)]);
  await bench.pass(5000);
  expect(await codeOf(broker.station(NS, 's'))).not.toBe('answered');
  expect(bench.stray).toEqual([]);
});

test('a memory station keeps its messages when the storage of the others fails', async () => {
  const bench = await openBench({ durability: 'memory' }, { on: 'disk' });
  const { broker } = bench;
  await produce(broker, ['a']);
  await broker.putStation(NS, 't', {});
  bench.files.failNext('sync');
  // A call that waits for the catalog goes on when it has failed: it must not open the partition beside its next life.
  const calls = [broker.putGroup(NS, 's', 'g', {}), broker.fetch(NS, 's', 'g', { consumer: 'c' }), broker.group(NS, 's', 'g')];
  for (const call of calls) expect(['STORAGE_FAILED', 'GROUP_NOT_FOUND']).toContain(await codeOf(call));
  await bench.pass(1000);
  await produce(broker, ['b']);
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs: 2000 })).blocks)).toEqual(['0.1 a', '0.2 b']);
  await bench.pass(5000);
  expect((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).toMatchObject([{ deliveries: 2 }, { deliveries: 2 }]);
  expect(bench.stray).toEqual([]);
});

test('a memory station is there after a restart, empty, and what was given out before counts for nothing', async () => {
  const bench = await openBench({ durability: 'memory' }, { on: 'disk' });
  await produce(bench.broker, [{ id: 'x', payload: 'a' }]);
  const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
  const { cursor } = await bench.broker.read(NS, 's', {});
  await bench.broker.close();
  await bench.open();
  expect(await bench.broker.station(NS, 's')).toMatchObject({ messages: 0, durability: 'memory', counts: [{ first: 1, last: 0 }] });
  expect((await bench.broker.groups(NS, 's', {})).items).toEqual([]);
  expect((await produce(bench.broker, [{ id: 'x', payload: 'b' }])).duplicates).toEqual([]);
  await bench.broker.putGroup(NS, 's', 'g', {});
  expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) })).toMatchObject([{ code: 'INVALID_RECEIPT' }]);
  expect(await codeOf(bench.broker.read(NS, 's', { cursor }))).toBe('INVALID_REQUEST');
});

test('a clock that is set back between two lives stops nothing', async () => {
  const bench = await openBench({}, { on: 'disk' });
  await produce(bench.broker, ['a']);
  const { blocks: first } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c', leaseMs: 5000 });
  await bench.broker.close();
  await bench.open(-3_600_000);
  await bench.broker.station(NS, 's');
  await bench.pass(5100);
  const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
  expect(blocks).toMatchObject([{ first: 1, deliveries: 2 }]);
  await produce(bench.broker, ['b']);
  const read = (await bench.broker.read(NS, 's', {})).blocks;
  expect(read[1]!.producedAt).toBeGreaterThanOrEqual(first[0]!.producedAt);
});

test('a command that a crash interrupted is carried on, at every moment of it', async () => {
  for (const verb of ['putGroup', 'purge', 'patch', 'remove'] as const) {
    for (let call = 1; call < 14; call++) {
      const bench = await openBench({ partitions: 2 }, { on: 'disk' });
      await produce(bench.broker, ['a'], { partition: 0 });
      await produce(bench.broker, ['b'], { partition: 1 });
      const { broker } = bench;
      bench.files.lastCall = bench.files.calls + call;
      const asked =
        verb === 'putGroup'
          ? broker.putGroup(NS, 's', 'g', {})
          : verb === 'purge'
            ? broker.purge(NS, 's', {})
            : verb === 'patch'
              ? broker.patchStation(NS, 's', { dedupWindowMs: 9 })
              : broker.removeStation(NS, 's');
      let answered = false;
      asked.then(
        () => {
          answered = true;
        },
        () => undefined,
      );
      await bench.pass(200);
      bench.cut();
      await bench.open();
      const code = await codeOf(bench.broker.station(NS, 's'));
      if (verb === 'remove') {
        if (answered) expect(code).toBe('STATION_NOT_FOUND');
        if (code === 'answered') continue;
        await bench.broker.putStation(NS, 's', {});
        expect((await bench.broker.station(NS, 's')).messages).toBe(0);
        continue;
      }
      const station = await bench.broker.station(NS, 's');
      if (verb === 'putGroup') {
        const known = await codeOf(bench.broker.group(NS, 's', 'g'));
        if (answered) expect(known).toBe('answered');
        expect((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks.length).toBe(2);
      } else if (verb === 'purge') expect(answered ? [0] : [0, 2]).toContain(station.messages);
      else if (answered) expect(station.dedupWindowMs).toBe(9);
      expect((await produce(bench.broker, ['c'], { partition: 0 })).ranges).toEqual([[0, 2, 1]]);
    }
  }
});

test('a damaged partition with a command on its way keeps nobody else from opening, and can be removed', async () => {
  const bench = await openBench({ partitions: 2 }, { on: 'disk' });
  await bench.broker.putStation(NS, 't', {});
  await produce(bench.broker, ['a'], { partition: 0 });
  await produce(bench.broker, ['b'], { partition: 1 });
  await bench.broker.close();
  let damaged = true;
  bench.damage = (volume) => {
    const { section } = volume;
    volume.section = (actor, name) =>
      damaged && actor.endsWith('.1') ? Promise.reject(new WaysideError('CORRUPTION', 'Damaged.')) : section.call(volume, actor, name);
  };
  await bench.open();
  expect(await codeOf(bench.broker.putGroup(NS, 's', 'g', {}))).toBe('CORRUPTION');
  await bench.broker.close();
  await bench.open();
  await bench.broker.station(NS, 't');
  expect(await codeOf(bench.broker.group(NS, 's', 'g'))).toBe('CORRUPTION');
  expect((await produce(bench.broker, ['c'], { partition: 0 })).ranges).toEqual([[0, 2, 1]]);
  // Mended meanwhile: what was commanded is done before anything else is answered.
  damaged = false;
  expect((await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks.length).toBeGreaterThan(0);
  await bench.broker.close();
  damaged = true;
  await bench.open();
  await bench.broker.removeStation(NS, 's');
  expect([...bench.volume.actors()].filter(({ key }) => key.endsWith('.1'))).toEqual([]);
  expect(bench.stray).toEqual([]);
});

test('a clock that was set back holds up no lease, though a command has opened the partition before it was looked for', async () => {
  const bench = await openBench({ durability: 'synced' }, { on: 'disk', callMs: 5 });
  await produce(bench.broker, ['a']);
  await bench.broker.putGroup(NS, 's', 'g', { leaseMs: 1000 });
  await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
  // The command is in the catalog, and no partition has answered it.
  const patching = codeOf(bench.broker.patchStation(NS, 's', { dedupWindowMs: 5 }));
  await bench.turn();
  await bench.broker.close();
  expect(await patching).not.toBe('answered');
  await bench.open(-3_600_000);
  await bench.pass(1500);
  expect(await bench.broker.group(NS, 's', 'g')).toMatchObject({ inFlight: 0, unread: 1 });
});
