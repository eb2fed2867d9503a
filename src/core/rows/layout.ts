/**
 * Which row lies where: an id is an actor's number × 2^36, and what distinguishes its rows.
 *
 * data, state: the index of the row's last entry. parts: index × 16 + nth. sections: slot × 64 + nth. actors: nothing.
 */
import { crc32c } from '../crc32c.ts';
import type { RowChange, RowTable } from '../ports.ts';

const ACTOR = 2 ** 36;
const PARTS = 16;
const PIECES = 64;
/** Actors that a place may ever have had. */
export const ACTORS_MAX = 2 ** 17 - 1;
/** Entries of one actor: the ids of parts end there. */
export const INDEX_MAX = 2 ** 32 - 1;

/** Where the rows of an actor begin. */
export function baseOf(actor: number): number {
  return actor * ACTOR;
}

export function rowId(actor: number, index: number): number {
  return actor * ACTOR + index;
}

export function partsOf(actor: number, index: number): number {
  return actor * ACTOR + index * PARTS;
}

export function piecesOf(actor: number, slot: number): number {
  return actor * ACTOR + slot * PIECES;
}

export function partsEnd(first: number): number {
  return first + PARTS;
}

export function piecesEnd(first: number): number {
  return first + PIECES;
}

/** Bytes as rows, one after another; nobody changes them any more. @throws RangeError there is no place for so many */
export function split(table: 'parts' | 'sections', first: number, bytes: Uint8Array, max: number): RowChange[] {
  const changes: RowChange[] = [];
  if (bytes.length > max * (table === 'parts' ? PARTS : PIECES))
    throw new RangeError(`${bytes.length} bytes are too many for rows of ${max}.`);
  for (let at = 0, id = first; at < bytes.length; at += max, id++) changes.push(put(table, id, bytes.subarray(at, at + max)));
  return changes;
}

export function put(table: RowTable, id: number, bytes: Uint8Array): RowChange {
  return { do: 'put', table, row: { id, sequence: 0, time: 0, begin: 0, end: 0, parts: [bytes] } };
}

/** @returns undefined where they are not what they were */
export function join(rows: readonly { readonly bytes: Uint8Array }[], length: number, crc: number): Uint8Array | undefined {
  const [only] = rows;
  if (rows.length === 1 && only?.bytes.length === length) return crc32c(only.bytes) === crc ? only.bytes : undefined;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const { bytes } of rows) {
    if (at + bytes.length > length) return undefined;
    whole.set(bytes, at);
    at += bytes.length;
  }
  return at === length && crc32c(whole) === crc ? whole : undefined;
}
