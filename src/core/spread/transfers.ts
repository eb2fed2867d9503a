/**
 * What exports and imports ask of a partition that is in another process.
 *
 * Elsewhere: what may be asked (transfer/port.ts), the other end (host.ts).
 */
import type { Level } from '../actor/gate.ts';
import type { Write } from '../ports.ts';
import type { ExportSource, ImportTarget, Noted, NotedEntry } from '../transfer/port.ts';
import type { PartitionLink } from './links.ts';
import type { Where } from './wire.ts';
import { opened } from './wire.ts';

export class RemoteSource implements ExportSource {
  readonly #where: Where;
  readonly #link: PartitionLink;

  constructor(where: Where, link: PartitionLink) {
    this.#where = where;
    this.#link = link;
  }

  #ask<T>(method: keyof ExportSource, ...args: readonly unknown[]): Promise<T> {
    return opened<T>(this.#link.ask(this.#where, `export.${method}`, args));
  }

  holdSending(): Promise<string> {
    return this.#ask('holdSending');
  }

  note(hold: string): Promise<Noted | undefined> {
    return this.#ask('note', hold);
  }

  releaseSending(hold: string): Promise<boolean> {
    return this.#ask('releaseSending', hold);
  }

  arrived(senders: readonly string[]): Promise<readonly number[]> {
    return this.#ask('arrived', senders);
  }

  section(hold: string, name: string): Promise<Uint8Array | undefined> {
    return this.#ask('section', hold, name);
  }

  entries(hold: string, from: number, bytesMax: number): Promise<readonly NotedEntry[]> {
    return this.#ask('entries', hold, from, bytesMax);
  }

  dropSections(hold: string): Promise<void> {
    return this.#ask('dropSections', hold);
  }

  renew(hold: string): Promise<void> {
    return this.#ask('renew', hold);
  }

  release(hold: string): Promise<void> {
    return this.#ask('release', hold);
  }
}

export class RemoteTarget implements ImportTarget {
  readonly #where: Where;
  readonly #link: PartitionLink;

  constructor(where: Where, link: PartitionLink) {
    this.#where = where;
    this.#link = link;
  }

  #ask<T>(method: keyof ImportTarget, ...args: readonly unknown[]): Promise<T> {
    return opened<T>(this.#link.ask(this.#where, `import.${method}`, args));
  }

  begin(): Promise<number> {
    return this.#ask('begin');
  }

  lay(life: number, commits: readonly (readonly Write[])[], until: 'made' | Level): Promise<void> {
    return this.#ask('lay', life, commits, until);
  }

  remove(): Promise<void> {
    return this.#ask('remove');
  }
}
