/**
 * What a volume must hold: a model that commits are applied to one after another, and the comparison with what the
 * volume says and reads.
 *
 * Holds: the model never looks into the volume. A volume agrees when its directory and every living byte are those of
 * the commits up to some number, all of them and nothing else.
 * Elsewhere: which numbers are allowed after which end of a life (../volume.ts).
 */

import type { ActorInfo, ActorKey, EntryHead, StoredEntry, Volume, Write } from '../../../src/core/ports.ts';

export interface ModelEntry {
  readonly index: number;
  readonly kind: number;
  readonly version: number;
  readonly epoch: number;
  readonly first: number;
  readonly count: number;
  readonly time: number;
  readonly data: boolean;
  readonly body: Uint8Array;
}

interface ModelActor {
  last: number;
  data: number;
  state: number;
  due: number | null;
  sections: Map<string, { asOf: number; body: Uint8Array }>;
  /** Living entries by rising index. */
  entries: ModelEntry[];
  /** Rises with every change, so that an answer can be told from one to an older question. */
  changes: number;
}

function newActor(): ModelActor {
  return { last: 0, data: 1, state: 1, due: null, sections: new Map(), entries: [], changes: 0 };
}

export class Model {
  readonly actors = new Map<ActorKey, ModelActor>();

  clone(): Model {
    const copy = new Model();
    for (const [key, actor] of this.actors) {
      copy.actors.set(key, { ...actor, sections: new Map(actor.sections), entries: actor.entries.slice() });
    }
    return copy;
  }

  apply(writes: readonly Write[], epoch: number): void {
    for (const write of writes) {
      const actor = this.actors.get(write.actor) ?? newActor();
      this.actors.set(write.actor, actor);
      actor.changes += 1;
      if (write.do === 'append') {
        const { index, kind, version, first, count, time, data } = write;
        actor.last = index;
        actor.entries.push({ index, kind, version, epoch, first, count, time, data, body: joined(write.body) });
      } else if (write.do === 'section') {
        if (write.body === null) actor.sections.delete(write.name);
        else actor.sections.set(write.name, { asOf: write.asOf, body: write.body });
      } else if (write.do === 'trim') {
        actor.data = Math.max(actor.data, write.data);
        actor.state = Math.max(actor.state, write.state);
        actor.entries = actor.entries.filter((entry) => entry.index >= (entry.data ? actor.data : actor.state));
      } else if (write.do === 'due') actor.due = write.at;
      else this.actors.delete(write.actor);
    }
  }

  /** Bytes of living bodies and sections, and how many of them there are. */
  get live(): { bytes: number; things: number } {
    let bytes = 0;
    let things = 0;
    for (const actor of this.actors.values()) {
      for (const entry of actor.entries) bytes += entry.body.length;
      for (const section of actor.sections.values()) bytes += section.body.length;
      things += actor.entries.length + actor.sections.size + 1;
    }
    return { bytes, things };
  }

  /** The directory as text; equal to `directoryOf` of a volume that holds the same. */
  get directory(): string {
    const infos: ActorInfo[] = [];
    for (const [key, actor] of this.actors) {
      const sections = [...actor.sections].map(([name, { asOf, body }]) => ({ name, asOf, bytes: body.length }));
      infos.push({ key, last: actor.last, data: actor.data, state: actor.state, due: actor.due, sections });
    }
    return directoryOf(infos);
  }

  living(key: ActorKey, from: number, what: 'all' | 'data'): ModelEntry[] {
    const entries = this.actors.get(key)?.entries ?? [];
    return entries.filter((entry) => entry.index >= from && (what === 'all' || entry.data));
  }

  find(key: ActorKey, by: 'sequence' | 'time', value: number): number {
    const found = this.living(key, 1, 'data').find(
      (entry) => entry.count > 0 && (by === 'sequence' ? entry.first + entry.count - 1 : entry.time) >= value,
    );
    return found?.index ?? (this.actors.get(key)?.last ?? 0) + 1;
  }
}

export function directoryOf(infos: Iterable<ActorInfo>): string {
  const lines: string[] = [];
  for (const info of infos) {
    const sections = info.sections.map(({ name, asOf, bytes }) => `${name}@${asOf}:${bytes}`).sort();
    // Nothing lives below index 1: 0 and 1 say the same.
    lines.push(
      `${info.key} last ${info.last} trims ${Math.max(1, info.data)} ${Math.max(1, info.state)} due ${info.due} [${sections.join(' ')}]`,
    );
  }
  return lines.sort().join('\n');
}

/** Reads everything that `model` holds out of `volume`. @returns what differs, or undefined; a refusal goes to `refused` */
export async function difference(
  model: Model,
  volume: Volume,
  bytesMax: number,
  refused: (error: unknown) => void,
): Promise<string | undefined> {
  for (const [key, actor] of model.actors) {
    for (const [name, section] of actor.sections) {
      try {
        const body = await volume.section(key, name);
        if (body === undefined || !sameBytes(body, section.body)) return `section ${name} of ${key} differs`;
      } catch (error) {
        refused(error);
      }
    }
    let from = 1;
    for (;;) {
      const expected = model.living(key, from, 'all');
      try {
        const read = await volume.read(key, from, bytesMax, 'all');
        const wrong = wrongRead(read, expected, bytesMax);
        if (wrong !== undefined) return `read of ${key} from ${from}: ${wrong}`;
        from = (read.at(-1)?.index ?? actor.last) + 1;
      } catch (error) {
        refused(error);
        from = (expected[0]?.index ?? actor.last) + 1;
      }
      if (from > actor.last) break;
    }
  }
  return undefined;
}

/** Is `read` what a read of exactly `expected` may give within `bytesMax`? */
export function wrongRead(read: readonly StoredEntry[], expected: readonly ModelEntry[], bytesMax: number): string | undefined {
  let bytes = 0;
  for (const [at, entry] of read.entries()) {
    const wrong = wrongEntry(entry, expected[at]);
    if (wrong !== undefined) return wrong;
    bytes += entry.body.length;
  }
  if (bytes > bytesMax && read.length > 1) return `${bytes} bytes, above ${bytesMax}`;
  const next = expected[read.length];
  if (next !== undefined && (read.length === 0 || bytes + next.body.length <= bytesMax)) return `entry ${next.index} is missing`;
  return undefined;
}

export function wrongEntry(entry: StoredEntry, expected: ModelEntry | undefined): string | undefined {
  const wrong = wrongHead(entry, expected);
  if (wrong !== undefined) return wrong;
  return sameBytes(entry.body, (expected as ModelEntry).body) ? undefined : `entry ${entry.index} has another body`;
}

export function wrongHead(head: EntryHead, expected: ModelEntry | undefined): string | undefined {
  if (expected === undefined) return `entry ${head.index} should not be there`;
  if (head.index !== expected.index) return `entry ${head.index} where ${expected.index} was expected`;
  for (const field of ['kind', 'version', 'epoch', 'first', 'count', 'time', 'data'] as const) {
    if (head[field] !== expected[field]) return `entry ${head.index} has ${field} ${head[field]}, expected ${expected[field]}`;
  }
  return head.bodyBytes === expected.body.length
    ? undefined
    : `entry ${head.index} has ${head.bodyBytes} bytes, expected ${expected.body.length}`;
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return false;
  return true;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
