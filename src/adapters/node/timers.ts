/**
 * Timers, clock and chance of Node (Deno and Bun run these as well).
 *
 * Holds: what is asked for in one turn runs together, in order, after the sockets that had data had their turn.
 */
import { getRandomValues } from 'node:crypto';
import type { Clock, Random, Timers } from '../../core/ports.ts';

export function nodeTimers(): Timers {
  let turn: (() => void)[] = [];
  const runTurn = () => {
    const due = turn;
    // What these ask for is for the next turn, or they could keep the sockets waiting for ever.
    turn = [];
    for (const run of due) run();
  };
  return {
    endOfTurn(run) {
      if (turn.push(run) === 1) setImmediate(runTurn);
    },
    after: (ms, run) => after(ms, run),
  };
}

/** The longest that `setTimeout` takes; beyond it, it would fire at once. */
const STEP_MS_MAX = 2 ** 31 - 1;
/**
 * Whoever waits for an answer waits no longer than this; a timer up to it keeps the process alive, or a program that
 * embeds a broker would end in the middle of its `await`. A longer one is housekeeping (retention, a far due time),
 * and no reason to stay.
 */
const AWAITED_MS_MAX = 60_000;

function after(ms: number, run: () => void): () => void {
  let left = Math.max(0, ms);
  let timer: ReturnType<typeof setTimeout>;
  const step = () => {
    const now = Math.min(left, STEP_MS_MAX);
    left -= now;
    timer = setTimeout(() => (left > 0 ? step() : run()), now);
    if (ms > AWAITED_MS_MAX) timer.unref();
  };
  step();
  return () => clearTimeout(timer);
}

export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** From the system's generator, some at a time: good for tickets. */
export function nodeRandom(): Random {
  const pool = new Uint32Array(64);
  let used = pool.length;
  return {
    u32() {
      if (used === pool.length) {
        getRandomValues(pool);
        used = 0;
      }
      const value = pool[used]!;
      pool[used++] = 0;
      return value;
    },
  };
}
