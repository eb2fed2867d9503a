/**
 * An export: what stations held in one moment, as a stream that anybody may read at their own pace, and go on with where it
 * broke off.
 *
 * Holds: the same export gives the same bytes, from wherever it is asked; what was trimmed since is in it all the same, since
 * the logs keep it until the export ends, and are told in time that it is still wanted. Sections come first, so that they need
 * not be kept for long.
 * Elsewhere: the moment (cut.ts), the bytes (format.ts), partitions (port.ts), how many there may be (broker/transfers.ts).
 */
import type { StationRecord } from '../entry/catalog.ts';
import { WaysideError } from '../errors.ts';
import type { FrameType } from './format.ts';
import { encodeFrame, preamble } from './format.ts';
import type { ExportSource } from './port.ts';

const CHUNK_BYTES = 256 * 1024;
const READ_BYTES = 1024 * 1024;
/** Places from which it can be gone on with lie so far apart. */
const MARK_BYTES = 4 * 1024 * 1024;

/** A partition as the cut found it. */
export interface Source {
  readonly source: ExportSource;
  /** By which it keeps what it was. */
  readonly hold: string;
  readonly last: number;
  readonly sections: readonly string[];
  /** What was on its way to others, and had arrived. */
  readonly arrived: readonly number[];
}

export interface ExportedStation {
  readonly record: StationRecord;
  readonly sources: readonly Source[];
}

type Part =
  | { readonly what: 'head' | 'sections-done' | 'end' }
  | { readonly what: 'sections' | 'entries'; readonly station: number; readonly partition: number };

/** Where the stream can be taken up: `index` is the entry that comes next in `part`. */
interface Mark {
  readonly offset: number;
  readonly crc: number;
  readonly sections: number;
  readonly entries: number;
  readonly part: number;
  readonly index: number;
}

const START: Mark = { offset: 0, crc: 0, sections: 0, entries: 0, part: 0, index: 0 };

export class Export {
  readonly id: string;
  readonly #at: number;
  readonly #stations: readonly ExportedStation[];
  readonly #parts: readonly Part[];
  readonly #marks: Mark[] = [START];
  /** Somebody has had all of it. */
  isRead = false;
  #hasSections = true;
  #ended: WaysideError | undefined;

  constructor(id: string, at: number, stations: readonly ExportedStation[]) {
    this.id = id;
    this.#at = at;
    this.#stations = stations;
    const each = (what: 'sections' | 'entries') =>
      stations.flatMap(({ sources }, station) => sources.map((_, partition): Part => ({ what, station, partition })));
    this.#parts = [{ what: 'head' }, ...each('sections'), { what: 'sections-done' }, ...each('entries'), { what: 'end' }];
  }

  /**
   * It is still wanted, from `offset` on.
   *
   * @throws UNAVAILABLE it has gone on, and what comes there is not kept · what a partition was closed with
   */
  async check(offset: number): Promise<void> {
    await this.renew();
    if (this.#markBefore(offset) === START) this.#checkSections();
  }

  /** It is still wanted. @throws what a partition was closed with */
  async renew(): Promise<void> {
    this.#check();
    await this.#each(({ source, hold }) => source.renew(hold));
    this.#check();
  }

  async #each(run: (source: Source) => Promise<void>): Promise<void> {
    await Promise.all(this.#stations.flatMap(({ sources }) => sources.map(run)));
  }

  /** The last one at or before `offset`. */
  #markBefore(offset: number): Mark {
    let mark = START;
    for (const each of this.#marks) if (each.offset <= offset) mark = each;
    return mark;
  }

  /** Bytes from `offset` on. @throws as `check` · CORRUPTION · INVALID_REQUEST it ends before that */
  async *bytes(offset: number): AsyncGenerator<Uint8Array> {
    const mark = this.#markBefore(offset);
    const writer = new Writer(mark);
    let left = offset - mark.offset;
    for (let part = mark.part; part < this.#parts.length; part++) {
      for await (const index of this.#write(this.#parts[part]!, writer, part === mark.part ? mark.index : 0)) {
        if (writer.waiting < CHUNK_BYTES) continue;
        const chunk = writer.take();
        this.#mark({ ...writer.at, part, index });
        const passed = Math.min(left, chunk.length);
        left -= passed;
        if (passed < chunk.length) yield chunk.subarray(passed);
      }
      // From here on the sections are not needed any more.
      if (this.#parts[part]!.what === 'sections-done') this.#mark({ ...writer.at, part: part + 1, index: 0 });
    }
    const rest = writer.take();
    this.isRead = true;
    if (left > rest.length) throw new WaysideError('INVALID_REQUEST', 'The export ends before that offset.', { field: 'offset' });
    if (left < rest.length) yield rest.subarray(left);
  }

  #mark(mark: Mark): void {
    const last = this.#marks.at(-1)!;
    const isPast = this.#parts.findIndex(({ what }) => what === 'sections-done') < mark.part;
    if (isPast && (last === START || mark.offset >= last.offset + MARK_BYTES)) this.#marks.push(mark);
  }

  /** Writes a part, and stops wherever it can be taken up: says which entry comes next. */
  async *#write(part: Part, writer: Writer, from: number): AsyncGenerator<number> {
    this.#check();
    switch (part.what) {
      case 'head':
        this.#head(writer);
        return;
      case 'sections':
        return yield* this.#sections(part, writer);
      case 'sections-done':
        this.#hasSections = false;
        await this.#each(({ source, hold }) => source.dropSections(hold));
        return;
      case 'entries':
        return yield* this.#entries(part, writer, from);
      case 'end':
        await this.renew();
        writer.frame('end', { stations: this.#stations.length, sections: writer.sections, entries: writer.entries });
    }
  }

  #head(writer: Writer): void {
    writer.raw(preamble());
    writer.frame('begin', { id: this.id, at: this.#at, stations: this.#stations.length });
    for (const { record, sources } of this.#stations)
      writer.frame('station', { station: record, partitions: sources.map(({ last, arrived }) => ({ last, arrived })) });
  }

  async *#sections({ station, partition }: { station: number; partition: number }, writer: Writer): AsyncGenerator<number> {
    this.#checkSections();
    const { source, hold, sections } = this.#stations[station]!.sources[partition]!;
    for (const name of sections) {
      const body = await source.section(hold, name);
      this.#check();
      this.#checkSections();
      if (body === undefined) throw new WaysideError('CORRUPTION', `Section ${name} of partition ${partition} is not there.`);
      writer.frame('section', { station, partition, name, body });
      writer.sections++;
      yield 0;
    }
  }

  async *#entries({ station, partition }: { station: number; partition: number }, writer: Writer, from: number): AsyncGenerator<number> {
    const { source, hold } = this.#stations[station]!.sources[partition]!;
    for (let next = from; ; ) {
      const entries = await source.entries(hold, next, READ_BYTES);
      this.#check();
      if (entries.length === 0) return;
      for (const entry of entries) {
        next = entry.index + 1;
        writer.frame('entry', { station, partition, ...entry });
        writer.entries++;
        yield next;
      }
    }
  }

  #check(): void {
    if (this.#ended !== undefined) throw this.#ended;
  }

  #checkSections(): void {
    if (!this.#hasSections) throw new WaysideError('UNAVAILABLE', 'The export has gone on too far to begin again. Ask for a new one.');
  }

  /** Lets go of what is kept for it. A partition that cannot be told finds out by itself. */
  end(why: WaysideError): void {
    if (this.#ended !== undefined) return;
    this.#ended = why;
    this.#each(({ source, hold }) => source.release(hold)).catch(() => undefined);
  }
}

/** Frames, gathered until they are worth sending. */
class Writer {
  sections: number;
  entries: number;
  waiting = 0;
  #offset: number;
  #crc: number;
  #pieces: Uint8Array[] = [];

  constructor({ offset, crc, sections, entries }: Mark) {
    this.#offset = offset;
    this.#crc = crc;
    this.sections = sections;
    this.entries = entries;
  }

  raw(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.waiting += bytes.length;
  }

  frame<T extends FrameType>(type: T, value: Parameters<typeof encodeFrame<T>>[1]): void {
    const { bytes, crc } = encodeFrame(type, value, this.#crc);
    this.#crc = crc;
    this.raw(bytes);
  }

  take(): Uint8Array {
    const chunk = new Uint8Array(this.waiting);
    let at = 0;
    for (const piece of this.#pieces) {
      chunk.set(piece, at);
      at += piece.length;
    }
    this.#offset += at;
    this.waiting = 0;
    this.#pieces = [];
    return chunk;
  }

  /** Where the stream is, with what waits to be taken. */
  get at(): Pick<Mark, 'offset' | 'crc' | 'sections' | 'entries'> {
    return { offset: this.#offset + this.waiting, crc: this.#crc, sections: this.sections, entries: this.entries };
  }
}
