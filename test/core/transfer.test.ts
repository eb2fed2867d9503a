/** Export and import: nothing is lost or doubled on the way, whatever goes on meanwhile, breaks off, or is damaged. */
import { describe, expect, test } from 'vitest';
import { actorParts } from '../../src/core/ports.ts';
import type { Bench } from './_broker.ts';
import { batch, codeOf, NS, openBench, produce, receipts, texts } from './_broker.ts';
import { exported, HOUR, imported, inPieces, rich, SMALL, shown } from './_transfer.ts';

describe('what comes back is what was there', () => {
  for (const on of ['disk', 'memory'] as const)
    test(`on ${on}: beside the original, under another name, and again after restarts`, async () => {
      const bench = await rich({ on });
      const before = await shown(bench, 's');
      const bytes = await exported(bench);
      const result = await imported(bench, bytes, { station: 'copy' });
      expect(result.stations).toEqual([
        { name: 'copy', messages: before.info.messages, durability: before.info.durability, loweredFrom: undefined },
      ]);
      expect(await shown(bench, 'copy')).toEqual(before);
      if (on === 'memory') return;
      for (const end of ['close', 'cut'] as const) {
        if (end === 'cut') bench.cut();
        else await bench.broker.close();
        await bench.open();
        expect(await shown(bench, 'copy')).toEqual(before);
      }
      // It is a station like any other: it can be exported as well.
      await bench.broker.removeStation(NS, 's');
      await imported(bench, await exported(bench, 'copy'), { station: 's' });
      expect(await shown(bench, 's')).toEqual(before);
    });

  test('it goes on: sequences, ids, producers, leases that end, delays that are due, redrives', async () => {
    const bench = await rich();
    const bytes = await exported(bench);
    const { broker } = bench;
    await imported(bench, bytes, { station: 'copy' });
    const counts = (await broker.station(NS, 's')).counts;
    expect(await broker.produce(NS, 'copy', batch({ id: 'id7', key: 'k0' }))).toMatchObject({
      duplicates: [[0, expect.any(Number), expect.any(Number)]],
    });
    expect(await broker.produce(NS, 'copy', batch({ id: 'delayed', key: 'k', delayMs: 5 }))).toMatchObject({
      scheduled: [{ duplicate: true }],
    });
    const again = { partition: 0, producer: { id: 'p', epoch: 3, sequence: 1 } };
    const [first] = (await broker.produce(NS, 's', batch('p1', 'p2'), again)).duplicates;
    expect((await broker.produce(NS, 'copy', batch('p1', 'p2'), again)).duplicates[0]).toEqual(first);
    expect((await broker.produce(NS, 'copy', batch('new'), { partition: 0 })).ranges).toEqual([[0, counts[0]!.last + 1, 1]]);
    expect(await broker.redrive(NS, 'copy', { all: true })).toMatchObject({ redriven: 3 });
    await bench.pass(2 * HOUR);
    expect(texts((await broker.read(NS, 'copy', { limit: 10_000 })).blocks).some((text) => text.endsWith('later'))).toBe(true);
    const seen = new Set<string>();
    for (let round = 0; round < 100; round++) {
      const { blocks } = await broker.fetch(NS, 'copy', 'keyed', { consumer: 'c' });
      if (blocks.length === 0) break;
      for (const text of texts(blocks)) seen.add(text);
      await broker.settle(NS, 'copy', 'keyed', 'ack', { receipts: receipts(blocks) });
    }
    expect(await broker.group(NS, 'copy', 'keyed')).toMatchObject({ unread: 0, inFlight: 0, dead: 0 });
    expect(await broker.audit(NS, 'copy', 'keyed')).toMatchObject({ balanced: true, pending: 0 });
    expect(bench.errors).toEqual([]);
  });

  test('receipts of the original are not those of the copy', async () => {
    const bench = await openBench();
    await produce(bench.broker, ['a']);
    const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
    await imported(bench, await exported(bench), { station: 'copy' });
    const [failure] = await bench.broker.settle(NS, 'copy', 'g', 'ack', { receipts: receipts(blocks) });
    expect(failure?.code).toMatch(/INVALID_RECEIPT|LEASE_EXPIRED/);
    expect(await bench.broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) })).toEqual([]);
  });
});

describe('one moment', () => {
  test('what comes after it is not in it, what goes after it is', async () => {
    const bench = await rich();
    const before = await shown(bench, 's');
    const { bytes } = await bench.broker.exportStream(NS, { station: 's' });
    const pieces = bytes[Symbol.asyncIterator]();
    const got = [(await pieces.next()).value as Uint8Array];
    // The whole of it fits a piece only where that is larger: make sure that there is a meanwhile.
    await bench.broker.purge(NS, 's', {});
    await produce(bench.broker, ['after']);
    await bench.pass(2 * HOUR);
    for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) got.push(next.value);
    await imported(bench, Buffer.concat(got), { station: 'copy' });
    expect((await shown(bench, 'copy')).messages).toEqual(before.messages);
  });

  test('nothing that waits in it is let go while it is read; all is let go after', async () => {
    const bench = await openBench({}, { on: 'disk', limits: { ...SMALL, exportIdleMs: 5_000 }, settings: { segmentBytes: 64 * 1024 } });
    const { broker, volume } = bench;
    const big = 'x'.repeat(10_000);
    for (let i = 0; i < 100; i++) await produce(broker, [`${i} ${big}`]);
    const stream = await broker.exportStream(NS, { station: 's' });
    await broker.purge(NS, 's', {});
    for (let i = 0; i < 50; i++) await produce(broker, [big]);
    await broker.purge(NS, 's', {});
    let length = 0;
    for await (const piece of stream.bytes) length += piece.length;
    expect(length).toBeGreaterThan(100 * 10_000);
    const held = volume.stats().liveBytes;
    await bench.pass(6_000);
    expect(volume.stats().liveBytes).toBeLessThan(held / 2);
    expect(await codeOf(broker.exportStream(NS, { id: stream.id, offset: 0 }))).toBe('NOT_FOUND');
  });

  test('a message on its way to another station of the namespace is there once', async () => {
    for (let pause = 0; pause < 40; pause++) {
      const bench = await openBench();
      await bench.broker.putStation(NS, 't', {});
      await produce(bench.broker, ['a', 'b', 'c']);
      const { blocks } = await bench.broker.fetch(NS, 's', 'g', { consumer: 'c' });
      await bench.broker.settle(NS, 's', 'g', 'reject', { receipts: receipts(blocks), reason: '' });
      const redriven = bench.broker.redrive(NS, 's', { all: true, to: { station: 't' } });
      for (let turn = 0; turn < pause; turn++) await Promise.resolve();
      const bytes = await exported(bench, null);
      await redriven;
      const other = await openBench();
      await other.broker.removeStation(NS, 's');
      await imported(other, bytes);
      const letters = (await other.broker.deadLetters(NS, 's', {})).items.map(({ message }) => texts([message])[0]!.slice(-1));
      const arrived = texts((await other.broker.read(NS, 't', {})).blocks).map((text) => text.slice(-1));
      expect([...letters, ...arrived].sort()).toEqual(['a', 'b', 'c']);
      // And what is left can be sent once more, from the beginning of what the target knows.
      await other.broker.redrive(NS, 's', { all: true, to: { station: 't' } });
      await other.pass(500);
      expect(
        texts((await other.broker.read(NS, 't', {})).blocks)
          .map((text) => text.slice(-1))
          .sort(),
      ).toEqual(['a', 'b', 'c']);
    }
  });
});

describe('broken off', () => {
  test('an export goes on from any byte, with the same bytes, after trims too', async () => {
    const bench = await openBench({ partitions: 2 }, { on: 'disk', limits: SMALL });
    const { broker } = bench;
    for (let i = 0; i < 60; i++) await produce(broker, [{ payload: 'x'.repeat(200_000), key: `k${i}` }]);
    const { id, bytes } = await broker.exportStream(NS, { station: 's' });
    const pieces: Uint8Array[] = [];
    for await (const piece of bytes) pieces.push(piece);
    const whole = Buffer.concat(pieces);
    await broker.purge(NS, 's', {});
    for (const offset of [5_000_000, 8_388_608, whole.length - 10, whole.length])
      expect(Buffer.compare(await exported(bench, null, offset, id), whole.subarray(offset))).toBe(0);
    expect(await codeOf(exported(bench, null, whole.length + 1, id))).toBe('INVALID_REQUEST');
    expect(await codeOf(exported(bench, null, 100, id))).toBe('UNAVAILABLE');
  });

  test('an import goes on where it was, and is there once', async () => {
    const bench = await rich();
    const before = await shown(bench, 's');
    const bytes = await exported(bench);
    const input = { station: 'copy', id: 'mine' };
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 7_001);
      const code = await codeOf(bench.broker.importStream(NS, { ...input, offset: at }, inPieces(bytes.slice(at, end))));
      if (end === bytes.length) {
        expect(code).toBe('answered');
        break;
      }
      expect(code).toBe('IMPORT_REFUSED');
      expect(await codeOf(bench.broker.station(NS, 'copy'))).toBe('STATION_NOT_FOUND');
      ({ offset: at } = await bench.broker.importProgress(NS, 'mine'));
      expect(at).toBeGreaterThan(end - 7_001);
    }
    expect(await shown(bench, 'copy')).toEqual(before);
    expect(await codeOf(bench.broker.importStream(NS, { ...input, offset: 3 }, inPieces(bytes)))).toBe('INVALID_REQUEST');
  });

  test('one that nobody goes on with, or that a crash interrupts, leaves nothing', async () => {
    for (const end of ['idle', 'kill', 'cut', 'close'] as const) {
      const bench = await rich();
      const bytes = await exported(bench);
      await codeOf(bench.broker.importStream(NS, { station: 'copy', id: 'mine' }, inPieces(bytes.slice(0, bytes.length - 20))));
      expect(actors(bench)).toBe(2);
      if (end === 'idle') await bench.pass(11 * 60_000);
      else {
        if (end === 'close') await bench.broker.close();
        else bench[end]();
        await bench.open();
      }
      expect(actors(bench)).toBe(1);
      expect(bench.broker.importProgress(NS, 'mine')).toEqual({ offset: 0 });
      await imported(bench, bytes, { station: 'copy' });
      expect(bench.errors).toEqual([]);
    }
  });
});

/** Stations of which there is anything in the volume. */
function actors({ volume }: Bench): number {
  return new Set([...volume.actors()].map(({ key }) => actorParts(key)[1]).filter((station) => station > 0)).size;
}

describe('refused, and nothing is left', () => {
  test('damaged in any byte, cut anywhere, followed by anything, newer, or nothing of the kind', async () => {
    const bench = await rich({ on: 'memory' });
    const bytes = await exported(bench);
    const { broker } = bench;
    await broker.removeStation(NS, 's');
    const refuses = async (changed: Uint8Array) => {
      expect(await codeOf(broker.importStream(NS, {}, inPieces(changed, 1 << 20)))).toBe('IMPORT_REFUSED');
    };
    for (let at = 0; at < bytes.length; at += at < 200 ? 1 : 97) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << (at % 8);
      await refuses(changed);
      await refuses(bytes.slice(0, at));
    }
    await refuses(new Uint8Array([...bytes, 0]));
    await refuses(new Uint8Array([...bytes, ...bytes]));
    await refuses(new TextEncoder().encode('{"station":"s"}'));
    expect(await codeOf(broker.station(NS, 's'))).toBe('STATION_NOT_FOUND');
    expect(actors(bench)).toBe(0);
    expect(bench.errors).toEqual([]);
  });

  test('a newer stream says so', async () => {
    const bench = await rich({ on: 'memory' });
    const bytes = await exported(bench);
    bytes[3] = 9;
    await expect(imported(bench, bytes)).rejects.toThrow('version 9');
  });

  test('over a station that is there, or that is made meanwhile', async () => {
    const bench = await rich();
    const bytes = await exported(bench);
    expect(await codeOf(imported(bench, bytes))).toBe('IMPORT_REFUSED');
    async function* slow() {
      yield* inPieces(bytes);
      await bench.broker.putStation(NS, 'copy', {});
    }
    expect(await codeOf(bench.broker.importStream(NS, { station: 'copy' }, slow()))).toBe('IMPORT_REFUSED');
    expect(actors(bench)).toBe(2);
  });

  test('what was imported stays, also where it cannot be opened at once', async () => {
    const bench = await rich();
    const bytes = await exported(bench);
    const section = bench.volume.section.bind(bench.volume);
    bench.volume.section = () => Promise.reject(new Error('a disk that does not read'));
    expect(await codeOf(imported(bench, bytes, { station: 'copy' }))).not.toBe('answered');
    bench.volume.section = section;
    expect((await shown(bench, 'copy')).messages).toEqual((await shown(bench, 's')).messages);
  });

  test('too many at a time', async () => {
    const bench = await openBench({}, { limits: { exportsMax: 2, importsMax: 1 } });
    const { broker } = bench;
    const begun = [await broker.exportStream(NS, {}), await broker.exportStream(NS, {})];
    expect(await codeOf(broker.exportStream(NS, {}))).toBe('OVERLOADED');
    const bytes: Uint8Array[] = [];
    for await (const piece of begun[0]!.bytes) bytes.push(piece);
    await broker.exportStream(NS, {});
    await codeOf(broker.importStream(NS, { id: 'one', station: 'x' }, inPieces(bytes[0]!.slice(0, 50))));
    expect(await codeOf(broker.importStream(NS, { id: 'two' }, inPieces(bytes[0]!)))).toBe('OVERLOADED');
  });

  test('into a disk that has no room', async () => {
    const bench = await rich();
    const bytes = await exported(bench);
    const makeRoom = bench.volume.makeRoom;
    bench.volume.hasRoom = () => false;
    bench.volume.makeRoom = () => Promise.reject(new (class extends Error {})('full'));
    expect(await codeOf(imported(bench, bytes, { station: 'copy' }))).not.toBe('answered');
    bench.volume.makeRoom = makeRoom;
    expect(actors(bench)).toBe(1);
  });
});

test('what a host cannot give is lowered, and said', async () => {
  const disk = await openBench({ durability: 'buffered' }, { on: 'disk' });
  await produce(disk.broker, ['a']);
  const bytes = await exported(disk);
  const memory = await openBench();
  const { stations } = await imported(memory, bytes, { station: 'copy' });
  expect(stations).toEqual([{ name: 'copy', messages: 1, durability: 'memory', loweredFrom: 'buffered' }]);
});
