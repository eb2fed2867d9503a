/**
 * A partition that is imported into a volume of this process.
 *
 * Holds: nothing is laid down where there is no room for it.
 * Elsewhere: what is laid down (import.ts), what may be asked (port.ts).
 */
import type { Level } from '../actor/gate.ts';
import type { Storage } from '../broker/context.ts';
import { WaysideError } from '../errors.ts';
import type { ActorKey, Write } from '../ports.ts';
import type { ImportTarget } from './port.ts';

export class LocalTarget implements ImportTarget {
  readonly #key: ActorKey;
  readonly #storage: Storage;

  constructor(key: ActorKey, storage: Storage) {
    this.#key = key;
    this.#storage = storage;
  }

  async begin(): Promise<number> {
    return this.#storage.volume.epoch;
  }

  async lay(life: number, commits: readonly (readonly Write[])[], until: 'made' | Level): Promise<void> {
    const { gate } = this.#storage;
    let position = 0;
    for (const writes of commits) position = await this.#commit(life, writes);
    if (until !== 'made') await gate.wait(position, until);
  }

  async #commit(life: number, writes: readonly Write[]): Promise<number> {
    const { volume } = this.#storage;
    const bytes = writes.reduce((sum, write) => sum + bytesOf(write), 0);
    // State has space of its own.
    if (bytes > 0 && !volume.hasRoom(bytes)) await volume.makeRoom(bytes);
    if (volume.epoch !== life)
      throw new WaysideError('UNAVAILABLE', 'The storage was opened anew, and what was not synced is gone. Begin the import again.');
    return volume.commit(writes);
  }

  async remove(): Promise<void> {
    const { volume, gate } = this.#storage;
    if (volume.info(this.#key) !== undefined) await gate.wait(volume.commit([{ do: 'remove', actor: this.#key }]), 'synced');
  }
}

function bytesOf(write: Write): number {
  return write.do === 'append' ? write.body.reduce((sum, { length }) => sum + length, 0) : 0;
}
