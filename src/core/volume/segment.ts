/**
 * One segment: a file of the log, from the moment it is begun until it is dropped.
 *
 * Holds: `end` is where the next block goes (in memory; the file may be behind), `filled` what the file occupies;
 * `live` is the sum of the living bytes of `ranges` and `sections`. Segments are begun in the order of their number.
 * Elsewhere: who writes it (writer.ts), fills it (room.ts), seals it (sealing.ts), drops it (reclaim.ts).
 */
import type { File } from '../ports.ts';
import type { Range, Section } from './actors.ts';
import type { Span } from './arena.ts';
import type { FileId, Place } from './format.ts';
import { seedOf } from './format.ts';
import type { EntryTable } from './table.ts';

export class Segment {
  readonly number: number;
  readonly id: FileId;
  readonly seed: number;
  readonly name: string;
  readonly previous: Place;
  end = 0;
  /** Where its directory ends; 0 while it is being written. */
  base = 0;
  filled = 0;
  live = 0;
  /** The footer is on stable storage: entry tables are read from it, and the segment may be dropped. */
  sealed = false;
  dropped = false;
  /** Who reads the file now; a file that is read is not overwritten. */
  readers = 0;
  file: File | undefined;
  /** Bytes from here on are being filled with zeros: nobody else writes there meanwhile. */
  fillingFrom: number | undefined;
  /** Every entry's head, until the segment is sealed. */
  table: EntryTable | undefined;
  /** Every range ever begun in it, until it is sealed: a trim that is not synced yet may still be lost. */
  begun: Range[] = [];
  readonly ranges = new Set<Range>();
  readonly sections = new Set<Section>();
  /** Which of its bytes are in memory, in order. */
  spans: Span[] = [];

  constructor(number: number, id: FileId, previous: Place) {
    this.number = number;
    this.id = id;
    this.seed = seedOf(id);
    this.name = segmentName(number);
    this.previous = previous;
  }
}

export const segmentName = (number: number): string => `segment-${String(number).padStart(10, '0')}.log`;

/** The number in a segment's name, or undefined where the name is another. */
export function segmentNumber(name: string): number | undefined {
  const found = /^segment-(\d{10})\.log$/.exec(name);
  return found ? Number(found[1]) : undefined;
}

export const SPARE_NAME = /^spare-\d{10}\.log$/;
export const spareName = (number: number): string => `spare-${String(number).padStart(10, '0')}.log`;
