/**
 * Partitions apart: exports and imports reach them as they would in other processes. Calls take their time, on the way there
 * and back, and may pass each other; values are copied; now and then a partition forgets what it held, as a new life of it would.
 *
 * Holds: nothing is changed for a broker whose process is not among `apart`.
 * Elsewhere: what is asked (core/transfer/port.ts).
 */
import { LocalTransferPlaces } from '../../../src/core/broker/transfer-places.ts';
import type { Random, Timers } from '../../../src/core/ports.ts';

/** Processes whose brokers have their partitions apart. */
export const apart = new WeakSet<object>();

/** How long a call is on its way, at most: one of these. */
const DELAYS_MS = [0, 0, 12, 150];

type Call = (...args: unknown[]) => Promise<unknown>;

const { source, target } = LocalTransferPlaces.prototype;

LocalTransferPlaces.prototype.source = async function (station, partition) {
  const found = await source.call(this, station, partition);
  if (!apart.has(this.context.random)) return found;
  const { random, timers } = this.context;
  return far(found, this.context, (name, [hold]) => {
    if (name !== 'note' || random.u32() % 20 > 1) return;
    if (random.u32() % 2 === 0) void found.release(hold as string);
    else timers.after(0, () => void found.releaseSending(hold as string));
  });
};

LocalTransferPlaces.prototype.target = function (key, isMemory) {
  const found = target.call(this, key, isMemory);
  return apart.has(this.context.random) ? far(found, this.context) : found;
};

/** @param arrives runs before a call does */
export function far<T extends object>(
  of: T,
  { random, timers }: { random: Random; timers: Timers },
  arrives: (name: string, args: readonly unknown[]) => void = () => undefined,
): T {
  const way = () =>
    new Promise<void>((resolve) => {
      timers.after(random.u32() % (DELAYS_MS[random.u32() % DELAYS_MS.length]! + 1), resolve);
    });
  return new Proxy(of, {
    get(_, name) {
      const call: unknown = Reflect.get(of, name);
      // It is no promise.
      if (typeof call !== 'function') return undefined;
      return async (...args: unknown[]) => {
        const sent = structuredClone(args);
        await way();
        arrives(String(name), sent);
        const answer = await (call as Call).apply(of, sent);
        checkAlone(answer);
        const copied = structuredClone(answer);
        await way();
        return copied;
      };
    },
  });
}

/** Bytes would take all of the memory along that they lie in. */
function checkAlone(value: unknown): void {
  if (value instanceof Uint8Array) {
    if (value.length !== value.buffer.byteLength) throw new TypeError('Bytes do not lie in memory of their own.');
  } else if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) checkAlone(each);
  }
}
