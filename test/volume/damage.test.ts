/** What opening makes of damage: a torn tail is cut, everything else is refused or served without what is broken. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeFiles } from '../../src/adapters/node/files.ts';
import { nodeClock, nodeRandom, nodeTimers } from '../../src/adapters/node/timers.ts';
import type { VolumeListener } from '../../src/core/ports.ts';
import { LogVolume } from '../../src/core/volume/log.ts';
import { A, append, bytesOf } from '../contract/volume/subject.ts';
import { quiet } from './_log.ts';

const listener: VolumeListener = { progressed() {}, failed() {}, settle() {} };
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wayside-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function open(segmentBytes = 64 * 1024): Promise<LogVolume> {
  const volume = new LogVolume({
    files: nodeFiles(folder),
    clock: nodeClock,
    timers: nodeTimers(),
    random: nodeRandom(),
    journal: quiet,
    settings: { segmentBytes },
  });
  await volume.open(listener);
  return volume;
}

async function write(volume: LogVolume, from: number, to: number, bytes: number): Promise<void> {
  for (let index = from; index <= to; index++) {
    const position = volume.commit([append(A, index, { body: [bytesOf(bytes, index)] })]);
    volume.sync(position);
    while (volume.synced < position) await new Promise((resolve) => setImmediate(resolve));
  }
}

const segments = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.startsWith('segment'))
    .sort();
const path = (name: string): string => join(folder, name);

function flip(name: string, at: number): () => void {
  const bytes = readFileSync(path(name));
  bytes[at]! ^= 1;
  writeFileSync(path(name), bytes);
  return () => {
    bytes[at]! ^= 1;
    writeFileSync(path(name), bytes);
  };
}

describe('the tail', () => {
  test('each of its bytes, flipped after a clean close, is noticed or harmless', async () => {
    const volume = await open();
    await write(volume, 1, 4, 100);
    await volume.close();
    const name = segments().at(-1)!;
    const { size } = statSync(path(name));
    const whole = readFileSync(path(name));
    // A clean close ends with a watermark, which alone may be lost without harm.
    const watermark = size - 40;
    for (let at = 0; at < size; at += 3) {
      flip(name, at);
      const outcome = await open().then(
        async (again) => {
          const { last } = again.info(A) ?? { last: 0 };
          await again.close();
          return last;
        },
        (error: unknown) => (error as { code: string }).code,
      );
      expect(outcome, `byte ${at} of ${size}`).toBe(at >= watermark ? 4 : 'CORRUPTION');
      for (const other of segments()) rmSync(path(other));
      writeFileSync(path(name), whole);
    }
  }, 60_000);

  test('cut at any byte of the last commit, the commits before it are there', async () => {
    const volume = await open();
    await write(volume, 1, 3, 100);
    const [name] = segments();
    // As a crash leaves it: no watermark, zeros behind.
    const whole = readFileSync(path(name!));
    await volume.close();
    const end = statSync(path(name!)).size - 40;
    for (let cut = 1; cut < 40 + 64 + 104; cut += 5) {
      for (const other of segments()) rmSync(path(other));
      writeFileSync(path(name!), whole);
      truncateSync(path(name!), end - cut);
      const again = await open();
      expect(again.info(A)?.last).toBe(2);
      expect((await again.read(A, 1, 1000, 'all')).map(({ index }) => index)).toEqual([1, 2]);
      await again.close();
    }
  }, 60_000);

  test('a folder of something else is refused and left alone', async () => {
    writeFileSync(path('segment-0000000001.log'), Buffer.alloc(5000, 'something else '));
    await expect(open()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(readFileSync(path('segment-0000000001.log'), 'utf8').slice(0, 14)).toBe('something else');
  });
});

describe('a sealed segment', () => {
  async function fill(): Promise<void> {
    const volume = await open();
    await write(volume, 1, 200, 1000);
    await volume.close();
  }

  test('with a damaged body answers reads of it with CORRUPTION, and all others', async () => {
    await fill();
    const [name] = segments();
    flip(name!, 5000);
    const volume = await open();
    const outcomes = [];
    for (let index = 1; index <= 200; index++) {
      try {
        const [entry] = await volume.read(A, index, 1, 'all');
        expect(entry?.body).toEqual(bytesOf(1000, index));
      } catch (error) {
        outcomes.push(error);
      }
    }
    expect(outcomes).toHaveLength(1);
    expect(outcomes[0]).toMatchObject({ code: 'CORRUPTION', extra: { file: name } });
    await volume.close();
  });

  test('with a damaged footer is scanned', async () => {
    await fill();
    const [name] = segments();
    flip(name!, statSync(path(name!)).size - 10);
    const volume = await open();
    expect(await volume.read(A, 1, 2 ** 30, 'all')).toHaveLength(200);
    await volume.close();
  });

  test('that is missing is reported, and nothing is changed', async () => {
    await fill();
    const [name] = segments();
    const bytes = readFileSync(path(name!));
    rmSync(path(name!));
    const before = segments();
    await expect(open()).rejects.toMatchObject({ code: 'CORRUPTION', extra: { file: name } });
    expect(segments()).toEqual(before);
    writeFileSync(path(name!), bytes);
    const volume = await open();
    expect(await volume.read(A, 1, 2 ** 30, 'all')).toHaveLength(200);
    await volume.close();
  });

  test('that is cut short is reported', async () => {
    await fill();
    const [name] = segments();
    truncateSync(path(name!), 9000);
    await expect(open()).rejects.toMatchObject({ code: 'CORRUPTION', extra: { file: name } });
  });
});
