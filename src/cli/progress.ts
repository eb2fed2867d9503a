/** What a progress line says: how much, how fast, how long still. */
import { shownBytes, shownDuration, shownNumber } from './units.ts';

export interface Progress {
  readonly done: number;
  /** What is counted, as `messages`; `bytes` are shown as sizes. */
  readonly unit: string;
  readonly bytes?: number | undefined;
  /** From 0 to 1, where the end is known. */
  readonly share?: number | undefined;
  readonly ms: number;
}

/** Rates over a shorter time are chance. */
const RATE_MS_MIN = 200;

export function progressLine({ done, unit, bytes, share, ms }: Progress): string {
  const shown = unit === 'bytes' ? shownBytes : shownNumber;
  const parts = [unit === 'bytes' ? shownBytes(done) : `${shownNumber(done)} ${unit}`];
  if (bytes !== undefined) parts.push(shownBytes(bytes));
  if (ms >= RATE_MS_MIN) parts.push(`${shown(rate(done, ms))}/s`);
  if (share !== undefined) {
    parts.push(`${Math.floor(Math.min(1, share) * 100)} %`);
    if (ms >= RATE_MS_MIN && share > 0.005 && share < 1) parts.push(`${left(ms / share - ms)} left`);
  }
  return parts.join(' · ');
}

/** In whole seconds: it is a guess. */
function left(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds} s` : shownDuration(seconds * 1000);
}

/** A second. */
export function rate(done: number, ms: number): number {
  return ms > 0 ? (done * 1000) / ms : 0;
}
