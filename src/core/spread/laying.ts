/**
 * A partition that is being imported where it is: data of a station that is none yet.
 *
 * Holds: a mark lies beside the data from before its beginning until the catalog knows the station; whoever finds the mark asks the
 * catalog, now and then, and removes what nobody awaits any more. So an import that nobody ends leaves nothing.
 * Elsewhere: what is laid down (transfer/import.ts).
 */
import type { Storage } from '../broker/context.ts';
import type { ActorKey, Timers } from '../ports.ts';
import { actorKey, actorParts } from '../ports.ts';
import type { ImportTarget } from '../transfer/port.ts';
import { LocalTarget } from '../transfer/target.ts';
import type { Lookups } from './links.ts';

/** No station has it. */
const MARK = actorKey(0, 0, 0);

export class Laying {
  readonly #storage: Storage;
  readonly #lookups: Lookups;
  readonly #timers: Timers;
  readonly #askMs: number;
  /** The catalog is asked about what lies here at a later time. */
  #isAsking = false;

  /** @param askMs how often it is asked whether somebody awaits it */
  constructor(storage: Storage, lookups: Lookups, timers: Timers, askMs: number) {
    this.#storage = storage;
    this.#lookups = lookups;
    this.#timers = timers;
    this.#askMs = askMs;
  }

  get isUnderway(): boolean {
    return this.#storage.volume.info(MARK) !== undefined;
  }

  target(key: ActorKey): ImportTarget {
    const target = new LocalTarget(key, this.#storage);
    return {
      begin: async () => {
        await this.#mark();
        return target.begin();
      },
      lay: (...args) => target.lay(...args),
      remove: () => this.drop(),
    };
  }

  async #mark(): Promise<void> {
    const { volume, gate } = this.#storage;
    if (!this.isUnderway) await gate.wait(volume.commit([{ do: 'due', actor: MARK, at: 0 }]), 'synced');
    this.askLater();
  }

  /** Its station is there: it is a partition like others. */
  async done(): Promise<void> {
    const { volume, gate } = this.#storage;
    if (this.isUnderway) await gate.wait(volume.commit([{ do: 'remove', actor: MARK }]), 'synced');
  }

  /** All that lies here goes. */
  async drop(): Promise<void> {
    const { volume, gate } = this.#storage;
    const keys = Array.from(volume.actors(), ({ key }) => key);
    if (keys.length > 0) await gate.wait(volume.commit(keys.map((actor) => ({ do: 'remove', actor }))), 'synced');
  }

  askLater(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const wake = this.#timers.wake?.bind(this.#timers) ?? this.#timers.after.bind(this.#timers);
    wake(this.#askMs, () => {
      this.#isAsking = false;
      // Who cannot be asked now is asked again.
      this.#ask().catch(() => this.askLater());
    });
  }

  async #ask(): Promise<void> {
    if (!this.isUnderway) return;
    const stations = new Set(Array.from(this.#storage.volume.actors(), ({ key }) => actorParts(key)[1]).filter((id) => id > 0));
    const awaited = await Promise.all(Array.from(stations, (id) => this.#lookups.isAwaited(id)));
    if (awaited.includes(true)) this.askLater();
    else if (this.isUnderway) await this.drop();
  }
}
