/** `embed()` in memory: a broker for a test, or for a program that need not keep anything. In any runtime, from Web APIs alone. */
import { openBroker } from '../../core/broker.ts';
import type { Limits } from '../../core/limits.ts';
import { makeLimits } from '../../core/limits.ts';
import type { Durability, Journal } from '../../core/ports.ts';
import type { VirtualClock } from './clock.ts';
import { Timeline } from './clock.ts';
import type { Embedded, EmbeddedClientOptions } from './embedded.ts';
import { EmbeddedBroker } from './embedded.ts';
import { warnings } from './journal.ts';
import { systemRandom } from './random.ts';
import { systemClock, systemTimers } from './timers.ts';
import { MemoryVolume } from './volume.ts';

/** Of a broker in memory. */
export interface MemoryOptions extends EmbeddedClientOptions {
  /** Time that the test moves (`virtualClock()`); that of the runtime unless given. Several brokers may share one. */
  readonly clock?: VirtualClock | undefined;
  /** Limits other than the broker's own: to meet one in a test without a mebibyte. */
  readonly limits?: Partial<Limits> | undefined;
  /** What the broker tells its operator; warnings and errors go to the console unless given. */
  readonly journal?: Journal | undefined;
  /**
   * What stations may ask for, and are told that they have: `memory` unless given. With `synced` a program that makes its
   * stations so runs as it is; everything is still in memory.
   */
  readonly durability?: Durability | undefined;
}

/**
 * A broker in this process, which is gone with it: the very core that a server runs, without a port or a folder.
 *
 * @throws TypeError a limit or the clock is none
 */
export async function embed(options: MemoryOptions = {}): Promise<Embedded> {
  const { clock, limits: changes, journal = warnings, durability, ...client } = options;
  if (clock !== undefined && !(clock instanceof Timeline)) throw new TypeError('clock is not one that virtualClock() made.');
  const limits = makeLimits(changes);
  const ports = { ...(clock === undefined ? systemPorts() : { clock, timers: clock, random: clock.brokerRandom() }), journal };
  const volume = new MemoryVolume(ports.timers, undefined, durability);
  const broker = await openBroker({ volume, memory: new MemoryVolume(ports.timers), ...ports, limits });
  return new EmbeddedBroker({ broker, limits, ...ports }, { ...client, clock });
}

function systemPorts() {
  return { clock: systemClock, timers: systemTimers(), random: systemRandom() };
}
