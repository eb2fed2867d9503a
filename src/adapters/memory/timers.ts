/**
 * Clock and timers of any runtime, from Web APIs alone.
 *
 * Holds: what is asked for in one turn runs together, in order, when the turn is over.
 * Elsewhere: time that a test moves (clock.ts); the ones of a server, which look after sockets (adapters/node).
 */
import type { Clock, Timers } from '../../core/ports.ts';
import { nextTurn } from './turn.ts';

/** The longest that `setTimeout` takes; beyond it, it would fire at once. */
const STEP_MS_MAX = 2 ** 31 - 1;
/** Nobody waits for an answer longer than this: a longer timer is housekeeping, and no reason for a process to stay. */
const AWAITED_MS_MAX = 60_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

export function systemTimers(): Timers {
  return { endOfTurn: gatherTurns(), after };
}

/**
 * One real turn for all that is asked for in it. What is asked for while they run is for the next one.
 *
 * @param next runs something in the next turn
 */
export function gatherTurns(next = nextTurn): (run: () => void) => void {
  let asked: (() => void)[] = [];
  const runAll = () => {
    const due = asked;
    asked = [];
    for (const run of due) run();
  };
  return (run) => {
    if (asked.push(run) === 1) next(runAll);
  };
}

function after(ms: number, run: () => void): () => void {
  let left = Math.max(0, ms);
  let timer: ReturnType<typeof setTimeout>;
  const step = () => {
    const now = Math.min(left, STEP_MS_MAX);
    left -= now;
    timer = setTimeout(() => (left > 0 ? step() : run()), now);
    if (ms > AWAITED_MS_MAX) letGo(timer);
  };
  step();
  return () => clearTimeout(timer);
}

/** A browser's timer is a number, and keeps nothing alive. */
function letGo(timer: number | { unref(): unknown }): void {
  if (typeof timer === 'object') timer.unref();
}
