/** Numbers as people type and read them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  counted,
  parseCount,
  parseDuration,
  parsePlace,
  parseSize,
  placeText,
  shownAgo,
  shownBytes,
  shownDuration,
  shownNumber,
  shownTime,
  typedDuration,
  typedSize,
} from '../../src/cli/units.ts';

test('durations are read with and without units', () => {
  const read: [string, number | undefined][] = [
    ['250', 250],
    ['0', 0],
    ['500ms', 500],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['5min', 300_000],
    ['1h30m', 5_400_000],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
    ['', undefined],
    ['s', undefined],
    ['-1s', undefined],
    ['1 s', undefined],
    ['10x', undefined],
    ['1h30', undefined],
    ['1e3', undefined],
    ['99999999999999999d', undefined],
  ];
  for (const [text, ms] of read) expect(parseDuration(text), text).toBe(ms);
});

test('sizes are read with and without units', () => {
  const read: [string, number | undefined][] = [
    ['1000', 1000],
    ['1_000', 1000],
    ['64KiB', 65_536],
    ['64k', 65_536],
    ['10MB', 10_000_000],
    ['1.5GiB', 1_610_612_736],
    ['3 MiB', 3_145_728],
    ['10b', 10],
    ['', undefined],
    ['KiB', undefined],
    ['10QB', undefined],
    ['-1', undefined],
  ];
  for (const [text, bytes] of read) expect(parseSize(text), text).toBe(bytes);
});

test('counts are whole numbers, with k, M and G for thousands', () => {
  const read: [string, number | undefined][] = [
    ['7', 7],
    ['1_000_000', 1_000_000],
    ['10k', 10_000],
    ['2.5M', 2_500_000],
    ['1G', 1_000_000_000],
    ['1.5', undefined],
    ['1K', undefined],
    ['x', undefined],
    ['99999999999999999999', undefined],
  ];
  for (const [text, count] of read) expect(parseCount(text), text).toBe(count);
});

test('places are sequences, ends, times, dates of this machine, or how long ago', () => {
  const now = Date.UTC(2026, 0, 31, 12);
  expect(parsePlace('start', now)).toBe('start');
  expect(parsePlace('end', now)).toBe('end');
  expect(parsePlace('17', now)).toBe(17);
  expect(parsePlace('time:1760000000000', now)).toEqual({ time: 1_760_000_000_000 });
  expect(parsePlace('2026-01-31T08:00Z', now)).toEqual({ time: Date.UTC(2026, 0, 31, 8) });
  expect(parsePlace('2026-01-31 08:00+01:00', now)).toEqual({ time: Date.UTC(2026, 0, 31, 7) });
  expect(parsePlace('2026-01-31', now)).toEqual({ time: new Date(2026, 0, 31).getTime() });
  expect(parsePlace('10m', now)).toEqual({ time: now - 600_000 });
  for (const text of ['', '0', '-1', '1.5', 'yesterday', '2026-13-01', '2026-01-31T99:00', '99999999999999999']) {
    expect(parsePlace(text, now), text).toBeUndefined();
  }
  expect(placeText({ time: 5 })).toBe('time:5');
  expect(placeText('end')).toBe('end');
  expect(placeText(9)).toBe(9);
});

test('what is typed for a duration or a size is read back as the same number', () => {
  fc.assert(fc.property(fc.nat(10_000_000_000), (ms) => parseDuration(typedDuration(ms)) === ms));
  fc.assert(
    fc.property(
      fc.nat(2 ** 31),
      fc.constantFrom(1, 1000, 1024, 1024 ** 2, 1000 ** 2),
      (n, unit) => parseSize(typedSize(n * unit)) === n * unit,
    ),
  );
  expect(typedDuration(120_000)).toBe('2m');
  expect(typedDuration(90_061_000)).toBe('1d1h1m1s');
  expect(typedDuration(1500)).toBe('1500ms');
  expect(typedDuration(0)).toBe('0');
  expect(typedSize(1_048_576)).toBe('1MiB');
  expect(typedSize(1000)).toBe('1000');
});

test('numbers, bytes and durations are shown short', () => {
  expect(shownNumber(1_234_567)).toBe('1,234,567');
  expect(shownNumber(999)).toBe('999');
  expect(counted(1, 'message')).toBe('1 message');
  expect(counted(1200, 'entry', 'entries')).toBe('1,200 entries');
  expect([0, 512, 1023, 1024, 1536, 1_048_575, 104_857_600].map(shownBytes)).toEqual([
    '0 B',
    '512 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 MiB',
    '100 MiB',
  ]);
  expect(
    [0, 85, 999.7, 1234, 9_940, 9_960, 59_700, 61_000, 200_000, 3_600_000, 7_500_000, 90_000_000, 30 * 86_400_000].map(shownDuration),
  ).toEqual([
    '0 ms',
    '85 ms',
    '1.0 s',
    '1.2 s',
    '9.9 s',
    '10 s',
    '1 min',
    '1 min 1 s',
    '3 min 20 s',
    '1 h',
    '2 h 5 min',
    '1 day 1 h',
    '30 days',
  ]);
});

test('times are shown as how long ago, or by the clock of this machine', () => {
  const now = 1_760_000_000_000;
  expect(shownAgo(now, now)).toBe('just now');
  expect(shownAgo(now - 12_400, now)).toBe('12 s ago');
  expect(shownAgo(now - 1_500, now)).toBe('1 s ago');
  expect(shownAgo(now - 200_000, now)).toBe('3 min ago');
  expect(shownAgo(now + 3_600_000 * 5, now)).toBe('in 5 h');
  expect(shownAgo(now - 86_400_000, now)).toBe('1 day ago');
  expect(shownTime(new Date(2026, 0, 2, 3, 4, 5, 6).getTime())).toBe('2026-01-02 03:04:05.006');
  expect(shownTime(Number.NaN)).toBe('NaN');
});
