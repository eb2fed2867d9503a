/** Timers, clock and chance of a browser's worker or page. */
import type { Clock, Random, Timers } from '../../core/ports.ts';

const STEP_MS_MAX = 2 ** 31 - 1;

export function browserTimers(): Timers {
  let turn: (() => void)[] = [];
  // A timer of 0 ms waits for 4 once it is nested: a message to oneself does not.
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    const due = turn;
    turn = [];
    for (const run of due) run();
  };
  return {
    endOfTurn(run) {
      if (turn.push(run) === 1) port2.postMessage(undefined);
    },
    after(ms, run) {
      let left = Math.max(0, ms);
      let timer: ReturnType<typeof setTimeout>;
      const step = () => {
        const now = Math.min(left, STEP_MS_MAX);
        left -= now;
        timer = setTimeout(() => (left > 0 ? step() : run()), now);
      };
      step();
      return () => clearTimeout(timer);
    },
  };
}

export const browserClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** From the browser's generator, some at a time: good for tickets. */
export function browserRandom(): Random {
  const pool = new Uint32Array(64);
  let used = pool.length;
  return {
    u32() {
      if (used === pool.length) {
        crypto.getRandomValues(pool);
        used = 0;
      }
      const value = pool[used]!;
      pool[used++] = 0;
      return value;
    },
  };
}
