/** Stations as the catalog described them, for as long as nobody has found that they are others now. Plain values: any call may use them. */
import type { Station } from '../catalog/state.ts';

const KEPT_MAX = 1_000;

export class KeptStations {
  readonly #kept = new Map<string, Station>();

  get(namespace: string, name: string): Station | undefined {
    return this.#kept.get(`${namespace}/${name}`);
  }

  set(namespace: string, name: string, station: Station): void {
    const key = `${namespace}/${name}`;
    // Asked last, forgotten last.
    this.#kept.delete(key);
    this.#kept.set(key, station);
    if (this.#kept.size <= KEPT_MAX) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  forget(namespace: string, name: string): void {
    this.#kept.delete(`${namespace}/${name}`);
  }
}

/** Is it as it was, with the same groups? */
export function isUnchanged(a: Station, b: Station): boolean {
  if (a.id !== b.id || a.version !== b.version || a.groups.size !== b.groups.size) return false;
  for (const [name, { id, version }] of a.groups) {
    const other = b.groups.get(name);
    if (other?.id !== id || other.version !== version) return false;
  }
  return true;
}
