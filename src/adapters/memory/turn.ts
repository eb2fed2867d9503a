/**
 * The end of the present turn, in any runtime: after every microtask, and after what else is already at hand.
 *
 * Holds: what is asked for runs in the order of asking. `setImmediate` where there is one (about a microsecond), else a
 * MessageChannel (about five), else a timer. They are taken when this module is loaded, so that a test which puts fake
 * timers in their place later does not stop the broker.
 */

/** Runs `run` once this turn is over. */
export const nextTurn: (run: () => void) => void = makeNextTurn();

/** Resolves once this turn is over. */
export function turnOver(): Promise<void> {
  return new Promise(nextTurn);
}

function makeNextTurn(): (run: () => void) => void {
  const globals: Partial<typeof globalThis> & { readonly setImmediate?: (run: () => void) => unknown } = globalThis;
  const { setImmediate: immediate, setTimeout: timeout } = globals;
  if (immediate !== undefined) return (run) => void immediate(run);
  if (globals.MessageChannel === undefined) return (run) => void timeout?.(run, 0);
  const { port1, port2 } = new globals.MessageChannel();
  const asked: (() => void)[] = [];
  port1.addEventListener('message', () => asked.shift()?.());
  port1.start();
  return (run) => {
    asked.push(run);
    port2.postMessage(0);
  };
}
