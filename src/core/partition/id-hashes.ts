/**
 * Hashes of the ids that a step asks for, each made once: before the step is decided, and kept by place until then.
 *
 * Holds: a hash is found again in no time where ids are asked for in the order in which they were noted, and made anew where
 * they were not noted.
 */
import { halfSip } from '../half-sip.ts';

/** Room that stays when a step has had more ids. */
const KEPT_MAX = 16_384;

export class IdHashes {
  readonly #key: Uint32Array;
  /** Two words an id; the first ones are of the id that was asked for and not noted. */
  #words = new Uint32Array(512);
  /** Where each begins in its source. */
  #starts = new Uint32Array(256);
  #count = 1;
  /** Sources, and the number of the first id of each. */
  #sources: Uint8Array[] = [];
  #bounds: number[] = [];
  /** Of the source and the id that were asked for last. */
  #source = 0;
  #at = 0;
  /** Of this one nothing is noted, as is known since it was last asked for. */
  #unknown: Uint8Array | undefined;
  /** Of what `of` or `note` was called for. */
  hash = 0;
  extra = 0;

  /** @param seed not a part of the state: it keeps a sender from choosing ids that collide */
  constructor(seed: number) {
    this.#key = Uint32Array.of(seed, seed ^ 0x5bd1e995);
  }

  get count(): number {
    return this.#count;
  }

  hashAt(number: number): number {
    return this.#words[2 * number]!;
  }

  extraAt(number: number): number {
    return this.#words[2 * number + 1]! & 255;
  }

  note(source: Uint8Array, start: number, end: number): void {
    const number = this.#count;
    if (number === this.#starts.length) this.#grow();
    if (this.#sources[this.#sources.length - 1] !== source) {
      this.#sources.push(source);
      this.#bounds.push(number);
      this.#unknown = undefined;
    }
    halfSip(source, start, end, this.#key, this.#words, 2 * number);
    this.#starts[number] = start;
    this.#count = number + 1;
    this.tell(number);
  }

  of(source: Uint8Array, start: number, end: number): void {
    const number = this.#numberOf(source, start);
    if (number === 0) halfSip(source, start, end, this.#key, this.#words);
    this.tell(number);
  }

  clear(): void {
    this.#count = 1;
    this.#source = 0;
    this.#at = 0;
    this.#sources = [];
    this.#bounds = [];
    this.#unknown = undefined;
    if (this.#starts.length <= KEPT_MAX) return;
    this.#words = new Uint32Array(512);
    this.#starts = new Uint32Array(256);
  }

  tell(number: number): void {
    this.hash = this.#words[2 * number]!;
    this.extra = this.#words[2 * number + 1]! & 255;
  }

  /** 0 where it was not noted. */
  #numberOf(source: Uint8Array, start: number): number {
    if (this.#sources[this.#source] !== source) {
      if (this.#unknown === source) return 0;
      const found = this.#sources.indexOf(source);
      if (found < 0) {
        this.#unknown = source;
        return 0;
      }
      this.#source = found;
      this.#at = 0;
    }
    const begin = this.#bounds[this.#source]!;
    const stop = this.#bounds[this.#source + 1] ?? this.#count;
    let at = Math.max(this.#at, begin);
    if (at >= stop || this.#starts[at]! > start) at = begin;
    while (at < stop && this.#starts[at]! < start) at++;
    this.#at = at;
    return at < stop && this.#starts[at] === start ? at : 0;
  }

  #grow(): void {
    const [words, starts] = [this.#words, this.#starts];
    this.#words = new Uint32Array(2 * words.length);
    this.#words.set(words);
    this.#starts = new Uint32Array(2 * starts.length);
    this.#starts.set(starts);
  }
}
