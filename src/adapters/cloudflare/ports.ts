/** The ports that both kinds of objects wire. */
import type { Journal } from '../../core/ports.ts';
import { systemRandom } from '../memory/random.ts';
import { systemClock, systemTimers } from '../memory/timers.ts';
import type { ObjectState, WaysideEnv } from './platform.ts';
import { SqliteRows } from './rows.ts';
import { ObjectTimers } from './timers.ts';

/** Until what was due is tried again. */
export const ALARM_AGAIN_MS = 30_000;

export const journal: Journal = {
  info: (text) => console.log(`wayside: ${text}`),
  warn: (text) => console.warn(`wayside: ${text}`),
  error: (text) => console.error(`wayside: ${text}`),
};

export function objectPorts(state: ObjectState, env: WaysideEnv) {
  const timers = new ObjectTimers(
    systemTimers(),
    (at) => state.storage.setAlarm(at),
    (error) => journal.error(`The alarm could not be set: ${String(error)}`),
  );
  const bytesMax = env.WAYSIDE_BYTES_MAX === undefined ? undefined : Number(env.WAYSIDE_BYTES_MAX);
  const rows = () => new SqliteRows(state.storage, { bytesMax, abort: (reason) => state.abort(reason) });
  return { timers, rows, clock: systemClock, random: systemRandom(), journal };
}
