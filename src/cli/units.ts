/**
 * Numbers as people type and read them: durations, sizes, counts, places in a station, times.
 *
 * Holds: what `typedDuration` and `typedSize` give is read back as the same number; a text that is none of them is
 * undefined, never a guess.
 * Elsewhere: who says what was wrong (args.ts).
 */
import type { Place } from '../core/calls.ts';

const DURATION_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Milliseconds of `250`, `1.5s`, `5m`, `1h30m`, `7d`. */
export function parseDuration(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return whole(Number(text));
  if (!/^(\d+(\.\d+)?(ms|s|min|m|h|d|w))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|min|m|h|d|w)/g)) sum += Number(number) * (DURATION_MS[unit] ?? 0);
  return whole(sum);
}

const SIZE_BYTES: Record<string, number> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
};

/** Bytes of `1000`, `64KiB`, `10MB`, `1.5G` (a lone letter counts in 1024). */
export function parseSize(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d[\d_]*(?:\.\d+)?)\s?([a-z]{0,3})$/i.exec(text) ?? [];
  const scale = SIZE_BYTES[unit.toLowerCase()];
  return number === undefined || scale === undefined ? undefined : whole(Number(number.replaceAll('_', '')) * scale);
}

/** A whole number: `1000`, `1_000`, `10k`, `2.5M`. */
export function parseCount(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d[\d_]*(?:\.\d+)?)([kMG]?)$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const value = Number(number.replaceAll('_', '')) * (unit === 'k' ? 1e3 : unit === 'M' ? 1e6 : unit === 'G' ? 1e9 : 1);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * A place in a station: a sequence, `start`, `end`, `time:MS`, a date (`2026-01-31`, `2026-01-31T08:00`; this machine's time
 * unless it says Z or +01:00), or how long ago (`10m`).
 */
export function parsePlace(text: string, now: number): Place | undefined {
  if (text === 'start' || text === 'end') return text;
  if (/^[1-9]\d{0,15}$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
  if (/^last:[1-9]\d{0,14}$/.test(text)) return { last: Number(text.slice(5)) };
  if (/^time:\d{1,15}$/.test(text)) return { time: Number(text.slice(5)) };
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    // A date alone would count as UTC, and with a time as local: here both are local.
    const at = Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T'));
    return Number.isFinite(at) && at >= 0 ? { time: at } : undefined;
  }
  const ago = /[a-z]$/.test(text) ? parseDuration(text) : undefined;
  return ago === undefined || ago > now ? undefined : { time: Math.floor(now - ago) };
}

/** As the API takes it where a group begins. */
export function placeText(place: Place): number | string {
  if (typeof place !== 'object') return place;
  return 'time' in place ? `time:${place.time}` : `last:${place.last}`;
}

function whole(value: number): number | undefined {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** `1,234,567` */
export function shownNumber(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 message`, `1,200 messages` */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${shownNumber(value)} ${value === 1 ? one : many}`;
}

/** `512 B`, `1.2 MiB`: three digits say enough. */
export function shownBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.6 KiB would be shown as 1024 KiB.
  while (value >= 1023.5 && unit < 5) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit]}`;
}

/** `85 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`, `4 days`: the two largest units. */
export function shownDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return pair(seconds, 60, 'min', 's');
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1440) return pair(minutes, 60, 'h', 'min');
  const hours = Math.round(ms / 3_600_000);
  const days = Math.floor(hours / 24);
  return `${days === 1 ? '1 day' : `${shownNumber(days)} days`}${days < 7 && hours % 24 > 0 ? ` ${hours % 24} h` : ''}`;
}

function pair(value: number, base: number, large: string, small: string): string {
  const rest = value % base;
  return `${Math.floor(value / base)} ${large}${rest > 0 ? ` ${rest} ${small}` : ''}`;
}

/** As an option takes it, without loss: `2m`, `1h30m`, `7d`, `1500ms`. */
export function typedDuration(ms: number): string {
  if (ms === 0) return '0';
  if (ms % 1000 !== 0) return `${ms}ms`;
  let left = ms;
  let text = '';
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = DURATION_MS[unit] ?? 1;
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}

/** As an option takes it, without loss: `64KiB`, `10MB`, `1000`. */
export function typedSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB', 'GB', 'MB']) {
    const size = SIZE_BYTES[unit.toLowerCase()] ?? 1;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}

/** `3 min ago`, `in 12 s`, `just now` */
export function shownAgo(at: number, now: number): string {
  const away = Math.abs(now - at);
  if (away < 1000) return 'just now';
  // Of a time that is far enough away, the larger unit says enough.
  const [large = '', unit = ''] = shownDuration(Math.floor(away / 1000) * 1000)
    .replace(/\.\d s$/, ' s')
    .split(' ');
  return now >= at ? `${large} ${unit} ago` : `in ${large} ${unit}`;
}

/** Of this machine: `2026-01-31 08:00:00.250` */
export function shownTime(at: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
}
