/**
 * Every byte of every segment against its CRC: headers, blocks, entries, footers.
 *
 * Holds: nothing is believed that has no valid CRC at its place; behind a damaged block the walk goes on at the next one.
 * What lies behind the end of the log and was never confirmed is a torn tail, not damage.
 * Elsewhere: what a broker would make of it (contents.ts); walking valid blocks (core/volume/scan.ts).
 */
import { crc32c } from '../../core/crc32c.ts';
import type { File, Files } from '../../core/ports.ts';
import { decodeNotes } from '../../core/volume/footer.ts';
import type { SegmentHeader, Trailer } from '../../core/volume/format.ts';
import {
  BLOCK_FOOTER,
  BLOCK_HEADER_BYTES,
  BLOCK_MAGIC,
  decodeBlockHeader,
  decodeRecordHeader,
  decodeSegmentHeader,
  decodeTrailer,
  RECORD_ENTRY,
  RECORD_HEADER_BYTES,
  recordBytes,
  SEGMENT_HEADER_BYTES,
  seedOf,
  TRAILER_BYTES,
  viewOf,
} from '../../core/volume/format.ts';
import { findEvidence, scanBlocks } from '../../core/volume/scan.ts';
import { segmentNumber } from '../../core/volume/segment.ts';
import type { Damage, SegmentReport } from './report.ts';

export interface Checked {
  readonly segments: readonly SegmentReport[];
  readonly damages: readonly Damage[];
  readonly notes: readonly string[];
}

interface Named {
  readonly name: string;
  readonly number: number;
  readonly header: SegmentHeader | undefined;
  readonly size: number;
}

/** @param told how many bytes of the segments are done, and of how many */
export async function checkSegments(files: Files, told: (done: number, total: number) => void): Promise<Checked> {
  const found: Named[] = [];
  for (const name of await files.list()) {
    const number = segmentNumber(name);
    if (number !== undefined) found.push(await withFile(files, name, (file) => look(name, number, file)));
  }
  found.sort((one, other) => one.number - other.number);
  const total = found.reduce((sum, { size }) => sum + size, 0);
  const checked = { segments: [] as SegmentReport[], damages: [] as Damage[], notes: [] as string[] };
  let done = 0;
  // From the last back: whether a tail is torn is told by what comes behind it.
  const later: Uint8Array[] = [];
  for (const one of found.toReversed()) {
    const bytes = await withFile(files, one.name, (file) => file.read(0, one.size));
    const next = found.find(({ number, header }) => number > one.number && header?.previous.segment === one.number);
    const check = new SegmentCheck(one, bytes, next?.header, later);
    checked.segments.unshift(check.run());
    checked.damages.unshift(...check.damages);
    checked.notes.unshift(...check.notes);
    // Evidence is only needed of a segment that the one before may rest on.
    later.splice(0, later.length, bytes);
    done += one.size;
    told(done, total);
  }
  return checked;
}

async function withFile<T>(files: Files, name: string, use: (file: File) => T | Promise<T>): Promise<T> {
  const file = await files.open(name, false);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function look(name: string, number: number, file: File): Promise<Named> {
  const header = decodeSegmentHeader(await file.read(0, SEGMENT_HEADER_BYTES));
  if (header === 'newer') throw new Error(`${name} was written by a newer version of Wayside. Check it with that version.`);
  return { name, number, size: file.size, header: header?.number === number ? header : undefined };
}

class SegmentCheck {
  readonly damages: Damage[] = [];
  readonly notes: string[] = [];
  readonly #one: Named;
  readonly #bytes: Uint8Array;
  readonly #next: SegmentHeader | undefined;
  readonly #later: readonly Uint8Array[];
  #blocks = 0;
  #entries = 0;

  constructor(one: Named, bytes: Uint8Array, next: SegmentHeader | undefined, later: readonly Uint8Array[]) {
    this.#one = one;
    this.#bytes = bytes;
    this.#next = next;
    this.#later = later;
  }

  run(): SegmentReport {
    const { header, number } = this.#one;
    if (header === undefined) return this.#withoutHeader();
    const size = this.#bytes.length;
    const trailer = decodeTrailer(this.#bytes.subarray(Math.max(0, size - TRAILER_BYTES)), size, header.id);
    // Where it must end at the least: its own word, or that of the segment begun behind it.
    const known = trailer?.end ?? (this.#next?.previousKnown ? this.#next.previous.offset : undefined);
    let at = this.#walk(header, SEGMENT_HEADER_BYTES, known ?? size);
    while (
      known !== undefined ? at < known : findEvidence(this.#bytes, up8(at), { segment: number, offset: at }, header.id) !== undefined
    ) {
      const next = this.#behind(header, at, known ?? size);
      this.#damaged(header, at, next);
      at = this.#walk(header, next, known ?? size);
    }
    if (known === undefined && this.#next && at < this.#next.previous.offset && this.#isSyncedBehind(number, at)) {
      this.#damage(at, this.#next.previous.offset, 'a block that was synced is damaged');
      return this.#report('damaged', 0);
    }
    if (trailer) this.#checkFooter(trailer);
    const torn = trailer || known !== undefined ? 0 : this.#tornBytes(at);
    if (!trailer && known !== undefined && this.#bytes.subarray(at, at + 8).some((byte) => byte !== 0))
      this.notes.push(`${this.#one.name}: its footer is not whole; the next start builds it again from the blocks.`);
    return this.#report(this.damages.length > 0 ? 'damaged' : trailer ? 'sealed' : 'open', torn);
  }

  #report(state: SegmentReport['state'], tornBytes: number): SegmentReport {
    return { file: this.#one.name, bytes: this.#bytes.length, state, blocks: this.#blocks, entries: this.#entries, tornBytes };
  }

  #damage(from: number, to: number, what: string): void {
    this.damages.push({ file: this.#one.name, from, to, what });
  }

  /** A file made ready, or begun and not confirmed; or one whose header is damaged. */
  #withoutHeader(): SegmentReport {
    const { number } = this.#one;
    const former = decodeSegmentHeader(this.#bytes);
    const isFormer = former !== undefined && former !== 'newer' && former.number < number;
    const isBlank = isFormer || this.#bytes.subarray(0, SEGMENT_HEADER_BYTES).every((byte) => byte === 0);
    const bad = { segment: number, offset: 0 };
    if (findEvidence(this.#bytes, 0, bad) || (!isBlank && this.#later.some((bytes) => findEvidence(bytes, 0, bad)))) {
      this.#damage(0, SEGMENT_HEADER_BYTES, 'the header of the file is damaged');
      return this.#report('damaged', 0);
    }
    return this.#report('prepared', isBlank ? 0 : this.#tornBytes(0));
  }

  /** Valid blocks from `from` on. @returns the end of the last one */
  #walk(header: SegmentHeader, from: number, until: number): number {
    return scanBlocks(
      this.#one.name,
      this.#bytes,
      header.id,
      from,
      until,
      crc32c,
      ({ type }) => {
        if (type === RECORD_ENTRY) this.#entries++;
      },
      () => {
        this.#blocks++;
      },
    );
  }

  /** Where the next block begins that is one: the damaged one may still say how long it is. */
  #behind(header: SegmentHeader, at: number, until: number): number {
    const view = viewOf(this.#bytes);
    const block = decodeBlockHeader(view, this.#bytes, at, at, header.id);
    if (block && block !== 'newer' && at + BLOCK_HEADER_BYTES + block.length <= until) return at + BLOCK_HEADER_BYTES + block.length;
    for (let next = up8(at + 1); next + BLOCK_HEADER_BYTES <= until; next += 8) {
      if (view.getUint32(next, true) !== BLOCK_MAGIC) continue;
      const found = decodeBlockHeader(view, this.#bytes, next, next, header.id);
      if (found && found !== 'newer' && found.type !== BLOCK_FOOTER) return next;
    }
    return until;
  }

  /** Of a block whose header is whole, only the records that are not. */
  #damaged(header: SegmentHeader, from: number, to: number): void {
    const view = viewOf(this.#bytes);
    const block = decodeBlockHeader(view, this.#bytes, from, from, header.id);
    if (!block || block === 'newer') {
      this.#damage(from, to, 'the header of a block is damaged');
      return;
    }
    const before = this.damages.length;
    const seed = seedOf(header.id);
    for (let at = from + BLOCK_HEADER_BYTES; at < to; ) {
      const record = decodeRecordHeader(view, this.#bytes, at, at, seed);
      if (!record || record === 'newer' || at + recordBytes(record.bodyBytes) > to) {
        this.#damage(at, to, 'the header of a record is damaged');
        return;
      }
      const body = at + RECORD_HEADER_BYTES;
      const end = at + recordBytes(record.bodyBytes);
      const isWhole = crc32c(this.#bytes, body, body + record.bodyBytes) === record.crc;
      if (isWhole && record.type === RECORD_ENTRY) this.#entries++;
      if (!isWhole) this.#damage(at, end, record.type === RECORD_ENTRY ? 'an entry is damaged' : 'a record is damaged');
      else if (this.#bytes.subarray(body + record.bodyBytes, end).some((byte) => byte !== 0))
        this.#damage(body + record.bodyBytes, end, 'the bytes between two records are damaged');
      at = end;
    }
    if (this.damages.length === before) this.#damage(from, to, 'a block is damaged');
  }

  #isSyncedBehind(number: number, at: number): boolean {
    return this.#later.some((bytes) => findEvidence(bytes, SEGMENT_HEADER_BYTES, { segment: number, offset: at }) !== undefined);
  }

  /** Whatever lies behind the end and is not the zeros of a file that was filled ahead. */
  #tornBytes(end: number): number {
    let last = this.#bytes.length;
    while (last > end && this.#bytes[last - 1] === 0) last--;
    return last - end;
  }

  /** A footer can be built again from the blocks: damage to it costs nothing. */
  #checkFooter({ listAt, listBytes, listCrc, end }: Trailer): void {
    const again = 'it is built again from the blocks';
    const list = this.#bytes.subarray(listAt, listAt + listBytes);
    if (list.length !== listBytes || crc32c(list) !== listCrc) {
      this.#damage(listAt, listAt + listBytes, `the footer is damaged; ${again}`);
      return;
    }
    let entries = 0;
    for (const { at, bytes, crc, count } of decodeNotes(list)) {
      entries += count;
      if (crc32c(this.#bytes, at, Math.min(at + bytes, this.#bytes.length)) !== crc)
        this.#damage(at, at + bytes, `a table of the footer is damaged; ${again}`);
    }
    if (this.damages.length === 0 && entries !== this.#entries)
      this.#damage(end, this.#bytes.length, `the footer lists ${entries} entries, and there are ${this.#entries}`);
  }
}

const up8 = (value: number): number => Math.ceil(value / 8) * 8;
