/**
 * The directory's bytes: what a segment says at its beginning of everything before it.
 *
 * Holds: every segment begins with one, so that opening reads the last segment alone, and dropping a segment never loses an
 * index, a floor or a name. It lists the segments that exist, with their file ids: one that is missing is noticed.
 * Elsewhere: its record (format.ts), what follows it (replay.ts).
 */
import { actorKey } from '../ports.ts';
import type { Actors } from './actors.ts';
import type { FileId } from './format.ts';
import { getU48, getWhole, setU48, setWhole, viewOf } from './format.ts';

export interface SegmentNote {
  readonly number: number;
  readonly id: FileId;
  readonly end: number;
}

interface SectionNote {
  readonly name: string;
  readonly asOf: number;
  readonly bytes: number;
  readonly crc: number;
  readonly segment: number;
  readonly offset: number;
}

export interface ActorNote {
  readonly key: ReturnType<typeof actorKey>;
  readonly last: number;
  readonly data: number;
  readonly state: number;
  readonly due: number | null;
  readonly sections: readonly SectionNote[];
}

export interface Directory {
  readonly segments: readonly SegmentNote[];
  readonly actors: readonly ActorNote[];
}

/** The directory of a log in which nothing is: two counts. */
export const EMPTY_DIRECTORY_BYTES = 8;
const SEGMENT_BYTES = 16;
const ACTOR_BYTES = 52;
const SECTION_BYTES = 26;

export function encodeDirectory(segments: readonly SegmentNote[], actors: Actors): Uint8Array {
  let length = EMPTY_DIRECTORY_BYTES + segments.length * SEGMENT_BYTES;
  for (const actor of actors.byKey.values()) {
    length += ACTOR_BYTES;
    if (actor.sections) for (const name of actor.sections.keys()) length += SECTION_BYTES + name.length;
  }
  const bytes = new Uint8Array(length);
  const view = viewOf(bytes);
  view.setUint32(0, segments.length, true);
  view.setUint32(4, actors.byKey.size, true);
  let at = EMPTY_DIRECTORY_BYTES;
  for (const { number, id, end } of segments) {
    view.setUint32(at, number, true);
    view.setUint32(at + 4, id.a, true);
    view.setUint32(at + 8, id.b, true);
    view.setUint32(at + 12, end, true);
    at += SEGMENT_BYTES;
  }
  for (const actor of actors.byKey.values()) {
    view.setUint32(at, actor.namespace, true);
    setU48(view, at + 4, actor.station);
    view.setUint16(at + 10, actor.partition, true);
    setWhole(view, at + 12, actor.last);
    setWhole(view, at + 20, actor.data);
    setWhole(view, at + 28, actor.state);
    setWhole(view, at + 36, actor.due ?? 0);
    view.setUint32(at + 44, actor.sections?.size ?? 0, true);
    view.setUint32(at + 48, actor.due === null ? 0 : 1, true);
    at += ACTOR_BYTES;
    if (!actor.sections) continue;
    for (const section of actor.sections.values()) {
      view.setUint8(at, section.name.length);
      setWhole(view, at + 1, section.asOf);
      view.setUint32(at + 9, section.bytes, true);
      view.setUint32(at + 13, section.crc, true);
      view.setUint32(at + 17, section.segment.number, true);
      view.setUint32(at + 21, section.offset, true);
      at += SECTION_BYTES;
      for (let letter = 0; letter < section.name.length; letter++) bytes[at++] = section.name.charCodeAt(letter);
    }
  }
  return bytes;
}

/** The bytes were checked against their CRC before. */
export function decodeDirectory(bytes: Uint8Array): Directory {
  const view = viewOf(bytes);
  const segments: SegmentNote[] = [];
  const actors: ActorNote[] = [];
  let at = EMPTY_DIRECTORY_BYTES;
  for (let left = view.getUint32(0, true); left > 0; left--) {
    const id = { a: view.getUint32(at + 4, true), b: view.getUint32(at + 8, true) };
    segments.push({ number: view.getUint32(at, true), id, end: view.getUint32(at + 12, true) });
    at += SEGMENT_BYTES;
  }
  for (let left = view.getUint32(4, true); left > 0; left--) {
    const sections: SectionNote[] = [];
    const head = at;
    at += ACTOR_BYTES;
    for (let more = view.getUint32(head + 44, true); more > 0; more--) {
      const nameBytes = bytes[at]!;
      const name = String.fromCharCode(...bytes.subarray(at + SECTION_BYTES, at + SECTION_BYTES + nameBytes));
      sections.push({
        name,
        asOf: getWhole(view, at + 1),
        bytes: view.getUint32(at + 9, true),
        crc: view.getUint32(at + 13, true),
        segment: view.getUint32(at + 17, true),
        offset: view.getUint32(at + 21, true),
      });
      at += SECTION_BYTES + nameBytes;
    }
    actors.push({
      key: actorKey(view.getUint32(head, true), getU48(view, head + 4), view.getUint16(head + 10, true)),
      last: getWhole(view, head + 12),
      data: getWhole(view, head + 20),
      state: getWhole(view, head + 28),
      due: view.getUint32(head + 48, true) === 1 ? getWhole(view, head + 36) : null,
      sections,
    });
  }
  return { segments, actors };
}
