/**
 * Looking at messages one by one, where a group asks for it: by its filter, by the order of keys, or since some expire.
 *
 * Holds: what the group comes to is given out, passed for good (it does not match, it has expired), or held until an
 * earlier message of its key is settled; all that one look has decided becomes one commit. A look ends after a bounded number
 * of messages, so that a filter that matches nothing does not hold up the partition: whoever fetches looks again.
 * Elsewhere: groups that need none of this (fetch.ts), which messages wait for their key (keys.ts), filters (filter/).
 */
import type { ActorLog, Draft } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import { RecordCursor } from '../batch/cursor.ts';
import type { Block } from '../calls.ts';
import type { Range } from '../entry/group.ts';
import { KIND } from '../entry/kinds.ts';
import { isPlanted } from '../faults.ts';
import type { Filter } from '../filter/parse.ts';
import { parseFilter } from '../filter/parse.ts';
import type { Limits } from '../limits.ts';
import type { Soon } from '../ports.ts';
import { Keys, keyHash } from './keys.ts';
import type { Run } from './runs.ts';
import { ACKED, RETURNED } from './runs.ts';
import type { Group, PartitionState } from './state.ts';
import type { Found, Stored } from './stored.ts';
import { isTrimmed } from './stored.ts';

/** Part of a stored block that goes out. */
export interface Piece {
  readonly found: Found;
  readonly deliveries: number;
  readonly rests: number;
}

export interface Sifted {
  readonly pieces: readonly Piece[];
  /** What happens to those that do not go out. */
  readonly drafts: readonly Draft[];
  /** There may be more that could go out. */
  readonly isCut: boolean;
}

export interface Look {
  readonly log: ActorLog;
  readonly stored: Stored;
  readonly state: PartitionState;
  readonly limits: Limits;
  readonly group: Group;
  readonly max: number;
  readonly maxBytes: number;
}

/** Does every message have to be looked at? */
export function isSieved({ expiring }: PartitionState, { config, runs }: Group): boolean {
  return config.order === 'key' || config.filter !== undefined || expiring >= runs.floor;
}

/** The keys of what the group has come to, or a promise of it that gives undefined once they are known. */
export function keysOf({ log, stored, state, group }: Look): Keys | Promise<undefined> {
  const { runs } = group;
  const known = runs.watcher;
  if (known instanceof Keys && !known.isBroken) return known;
  if (runs.open > 0 && !isPlanted('keys-not-known-after-opening')) return loadKeys(log, stored, state, group);
  const made = new Keys(runs);
  runs.watcher = made;
  return made;
}

/** Bytes do not change, what is open does while they are read: so hashes first, then all in one turn. */
async function loadKeys(log: ActorLog, stored: Stored, state: PartitionState, group: Group): Promise<undefined> {
  const hashes = new Map<number, number>();
  for (;;) {
    const missing = openSequences(group).find((sequence) => !hashes.has(sequence));
    if (missing === undefined || log.closed !== undefined || state.groups.get(group.id) !== group) break;
    try {
      const { block } = await stored.take(missing, runEnd(group, missing) - missing, 2 ** 20);
      const cursor = new RecordCursor(block.bytes, block.start, block.end);
      for (let sequence = block.first; cursor.next(); sequence++) hashes.set(sequence, keyHash(cursor));
    } catch (error) {
      if (!isTrimmed(error)) throw error;
    }
  }
  const { runs } = group;
  const keys = new Keys(runs);
  for (const run of runs.list) {
    if (run.state === ACKED) continue;
    for (let sequence = run.from; sequence < run.end; sequence++) keys.load(sequence, hashes.get(sequence) ?? -1, run);
  }
  runs.watcher = keys;
  return undefined;
}

function openSequences({ runs }: Group): number[] {
  const open: number[] = [];
  for (const run of runs.list) if (run.state !== ACKED) for (let at = run.from; at < run.end; at++) open.push(at);
  return open;
}

function runEnd({ runs }: Group, sequence: number): number {
  return runs.at(sequence)?.end ?? sequence + 1;
}

/** @returns undefined, later, when bytes had to be read first: look again then */
export function sift(look: Look): Sifted | Promise<undefined> {
  const keys = look.group.config.order === 'key' ? keysOf(look) : undefined;
  if (keys instanceof Promise) return keys;
  const sieve = new Sieve(look, keys);
  const wait = keys === undefined ? sieve.again() : sieve.againByKey(keys);
  const waits = wait ?? (sieve.isFull ? undefined : sieve.fresh());
  if (waits !== undefined && sieve.isEmpty) {
    sieve.offerAgain();
    return waits;
  }
  waits?.catch(() => undefined);
  return sieve.finish(waits !== undefined);
}

class Sieve {
  readonly #look: Look;
  readonly #keys: Keys | undefined;
  readonly #filter: Filter | undefined;
  readonly #now: number;
  readonly #pieces: Piece[] = [];
  readonly #filtered: Range[] = [];
  readonly #expired: Range[] = [];
  /** Taken from `keys`, and may have to be offered again. */
  readonly #taken: number[] = [];
  #countLeft: number;
  #bytesLeft: number;
  #passed = 0;
  /** Messages before it were looked at for the first time. */
  #end: number;
  #isCut = false;

  constructor(look: Look, keys: Keys | undefined) {
    this.#look = look;
    this.#keys = keys;
    this.#filter = filterOf(look);
    this.#now = look.log.now;
    this.#countLeft = look.max;
    this.#bytesLeft = look.maxBytes;
    this.#end = look.group.runs.next;
  }

  get isFull(): boolean {
    return this.#countLeft <= 0 || (this.#bytesLeft <= 0 && this.#pieces.length > 0) || this.#isCut;
  }

  /** Nothing has been decided yet. */
  get isEmpty(): boolean {
    return this.#pieces.length + this.#filtered.length + this.#expired.length === 0 && this.#end === this.#look.group.runs.next;
  }

  /** What came back, in order. */
  again(): Promise<undefined> | undefined {
    const { runs, config } = this.#look.group;
    if (runs.returned === 0) return undefined;
    for (const run of runs.list.slice()) {
      if (this.isFull) return undefined;
      if (run.state !== RETURNED) continue;
      if (run.at > this.#now) {
        if (config.order !== 'partition') continue;
        this.#isCut = true;
        return undefined;
      }
      const wait = this.#walk(run.from, run.end, run);
      if (wait !== undefined) return wait;
    }
    return undefined;
  }

  /** The same, of each key the first. Neighbours that fared alike are looked at together. */
  againByKey(keys: Keys): Promise<undefined> | undefined {
    let part: { from: number; end: number; run: Run } | undefined;
    for (const { sequence, run } of keys.take(this.#now)) {
      this.#taken.push(sequence);
      if (part !== undefined && part.run === run && part.end === sequence && part.end - part.from < this.#countLeft) part.end++;
      else {
        const wait = part && this.#walk(part.from, part.end, part.run);
        part = { from: sequence, end: sequence + 1, run };
        if (wait !== undefined) return wait;
        if (this.isFull) return undefined;
      }
    }
    return part && this.#walk(part.from, part.end, part.run);
  }

  /** What the group has not come to yet. */
  fresh(): Promise<undefined> | undefined {
    const { state, limits, group } = this.#look;
    if (group.runs.list.length >= limits.runsMax) return undefined;
    return this.#walk(Math.max(group.runs.next, state.first), state.next, undefined);
  }

  #walk(from: number, end: number, run: Run | undefined): Promise<undefined> | undefined {
    for (let sequence = from; sequence < end && !this.isFull; ) {
      let found: Soon<Found>;
      found = this.#look.stored.take(sequence, end - sequence, 2 ** 20);
      if (found instanceof Promise) {
        return found.then(
          () => undefined,
          (error: unknown) => {
            if (!isTrimmed(error)) throw error;
            return undefined;
          },
        );
      }
      sequence = this.#block(found, run);
    }
    return undefined;
  }

  /** @returns the first message that was not looked at */
  #block({ block, index }: Found, run: Run | undefined): number {
    const cursor = new RecordCursor(block.bytes, block.start, block.end);
    let sequence = block.first;
    for (; !this.isFull && cursor.next(); sequence++) {
      const verdict = this.#judge(cursor, sequence, run, block.producedAt);
      if (verdict === 'stop') break;
      if (run === undefined) this.#end = sequence + 1;
      if (verdict === 'out') this.#give({ block, index }, cursor, sequence, run);
      else {
        if (verdict === 'filtered') addTo(this.#filtered, sequence);
        else if (verdict === 'expired') addTo(this.#expired, sequence);
        this.#isCut ||= ++this.#passed >= this.#look.limits.passedMax;
      }
    }
    return sequence;
  }

  /** `stop`: there is no place for it in this look. */
  #judge(
    cursor: RecordCursor,
    sequence: number,
    run: Run | undefined,
    producedAt: number,
  ): 'out' | 'filtered' | 'expired' | 'held' | 'stop' {
    const expires = cursor.expiresMs < 0 ? Infinity : producedAt + cursor.expiresMs;
    if (expires <= this.#now && !isPlanted('expired-given-out')) return this.#passBy(sequence, run, 'expired');
    // What was given out before, or redriven, is not asked again.
    const isAsked = run === undefined || (run.deliveries === 0 && !run.pinned);
    if (isAsked && this.#filter?.(cursor) === false && !isPlanted('filter-not-asked')) return this.#passBy(sequence, run, 'filtered');
    if (this.#keys === undefined || run !== undefined) return this.#fits(cursor) ? 'out' : 'stop';
    const { group, limits } = this.#look;
    if (group.runs.open + this.#end - group.runs.next >= limits.lookAheadMax) {
      this.#isCut = true;
      return 'stop';
    }
    const hash = keyHash(cursor);
    const isFree = hash < 0 || this.#keys.isFree(hash) || isPlanted('key-given-out-twice');
    if (isFree && !this.#fits(cursor)) return 'stop';
    this.#keys.expect(sequence, hash);
    return isFree ? 'out' : 'held';
  }

  #passBy<W extends 'filtered' | 'expired'>(sequence: number, run: Run | undefined, why: W): W {
    if (run === undefined) this.#keys?.skip(sequence + 1);
    return why;
  }

  /** A message that does not fit is left for the next fetch; the first one always goes. */
  #fits(cursor: RecordCursor): boolean {
    if (this.#pieces.length === 0 || cursor.end - cursor.offset <= this.#bytesLeft) return true;
    this.#isCut = true;
    return false;
  }

  #give({ block, index }: Found, cursor: RecordCursor, sequence: number, run: Run | undefined): void {
    this.#countLeft--;
    this.#bytesLeft -= cursor.end - cursor.offset;
    const deliveries = (run?.deliveries ?? 0) + 1;
    const rests = Math.max(run?.rests ?? 0, this.#keys === undefined ? 0 : this.#look.group.settledIn);
    const last = this.#pieces.at(-1);
    const isAlike = last?.found.index === index && last.deliveries === deliveries && last.rests === rests;
    // What came back and what is new are leased apart.
    if (isAlike && sequence !== this.#look.group.runs.next && follows(last.found.block, block, cursor, sequence)) {
      const { found } = last;
      const longer = { ...found.block, count: found.block.count + 1, end: cursor.end };
      this.#pieces[this.#pieces.length - 1] = { ...last, found: { index, block: longer } };
    } else {
      const one = { ...block, first: sequence, count: 1, start: cursor.offset, end: cursor.end };
      this.#pieces.push({ found: { index, block: one }, deliveries, rests });
    }
  }

  /** @param isWaiting it ended because bytes have to be read first */
  finish(isWaiting: boolean): Sifted {
    this.offerAgain();
    const { group, state } = this.#look;
    const drafts: Draft[] = [];
    const id = group.id;
    if (this.#filtered.length > 0) drafts.push(draft(KIND.passed, { group: id, why: 'filtered', ranges: this.#filtered }));
    if (this.#expired.length > 0) {
      const ranges = this.#expired;
      const isKept = state.config?.deadLetter.expired === true;
      drafts.push(
        isKept
          ? draft(KIND.died, { group: id, reason: 'expired', error: 'It expired before the group had settled it.', ranges })
          : draft(KIND.passed, { group: id, why: 'expired', ranges }),
      );
    }
    const held = this.#heldBehind();
    if (held !== undefined) drafts.push(draft(KIND.passed, { group: id, why: 'held', ranges: [held] }));
    const isCut = isWaiting || drafts.length > 0;
    return { pieces: this.#pieces, drafts, isCut };
  }

  /** What was taken and does not go out now goes back; what is settled by this look is dropped when it comes up. */
  offerAgain(): void {
    const given = new Set<number>();
    for (const { found } of this.#pieces) for (let i = 0; i < found.block.count; i++) given.add(found.block.first + i);
    for (const sequence of this.#taken) if (!given.has(sequence)) this.#keys?.offer(sequence);
  }

  /** Messages that are held and behind everything else that was decided: nothing else would note that they were come to. */
  #heldBehind(): Range | undefined {
    const { runs } = this.#look.group;
    let reached = runs.next;
    for (const { found } of this.#pieces) reached = Math.max(reached, found.block.first + found.block.count);
    for (const { from, count } of [...this.#filtered, ...this.#expired]) reached = Math.max(reached, from + count);
    return reached < this.#end ? { from: reached, count: this.#end - reached } : undefined;
  }
}

/** Neighbours in an entry are not always neighbours in the stream: it may hold what was copied forward, each of its own time. */
function follows(before: Block, { producedAt }: Block, { offset }: RecordCursor, sequence: number): boolean {
  return before.end === offset && before.first + before.count === sequence && before.producedAt === producedAt;
}

function addTo(ranges: Range[], sequence: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.from + last.count === sequence) ranges[ranges.length - 1] = { ...last, count: last.count + 1 };
  else ranges.push({ from: sequence, count: 1 });
}

/** Parsed once for each configuration of a group. */
const parsed = new WeakMap<object, Filter>();

function filterOf({ group: { config }, limits }: Look): Filter | undefined {
  if (config.filter === undefined) return undefined;
  const known = parsed.get(config);
  if (known !== undefined) return known;
  const made = parseFilter(config.filter, limits);
  parsed.set(config, made);
  return made;
}
