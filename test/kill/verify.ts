/**
 * What is stored after a start, against what was told before: every byte of every partition, and every dead letter.
 */
import { RecordCursor } from '../../src/core/batch/cursor.ts';
import { CRC_BYTES, HEADER_BYTES, u32At } from '../../src/core/batch/layout.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { Answer } from '../conformance/client.ts';
import { Client, RECORDS_TYPE } from '../conformance/client.ts';
import type { StationLedger } from './ledger.ts';
import { placeOf, Violation } from './ledger.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns how many messages there are. @throws Violation */
export async function verify(base: string, station: StationLedger): Promise<number> {
  const client = new Client(base, undefined);
  const path = `/v1/stations/${station.name}`;
  const { counts } = (await client.call('GET', path)).json;
  const places = new Map<string, string>();
  const next = Array.from({ length: station.partitions }, () => 1);

  for (let query = 'from=start', end = false; !end; ) {
    const answer = await client.call('GET', `${path}/messages?${query}&limit=10000&maxBytes=8000000`, {
      headers: { accept: RECORDS_TYPE },
    });
    if (answer.status !== 200) throw new Violation(`${station.name}: reading is ${answer}`);
    for (const { partition, first, cursor } of blocksOf(answer)) {
      if (first !== next[partition]) throw new Violation(`${station.name}: after ${partition}.${next[partition]! - 1} comes ${first}`);
      for (; cursor.next(); next[partition]! += 1) {
        const message = { partition, sequence: next[partition]!, id: cursor.id, key: cursor.key, text: UTF8.decode(cursor.payload) };
        const { id } = station.seen('a read', message);
        const place = placeOf(partition, message.sequence);
        if (places.has(id)) throw new Violation(`${station.name}: ${id} is stored twice, at ${places.get(id)} and ${place}`);
        places.set(id, place);
      }
    }
    query = `cursor=${answer.header('wayside-cursor')}`;
    end = answer.header('wayside-end') === 'true';
  }

  for (const { partition, last, first } of counts) {
    if (first !== 1 || last !== next[partition]! - 1)
      throw new Violation(`${station.name}: partition ${partition} says ${first} to ${last}, and has 1 to ${next[partition]! - 1}`);
  }
  for (const [place, id] of station.placed) {
    if (places.get(id) !== place)
      throw new Violation(`${station.name}: ${id} was answered as stored at ${place}, and is ${places.get(id) ?? 'nowhere'}`);
  }
  settleSpread(station, places);
  await verifyLetters(client, path, station);
  return places.size;
}

function* blocksOf(answer: Answer): Generator<{ partition: number; first: number; cursor: RecordCursor }> {
  const { bytes } = answer;
  let at = 0;
  for (const block of (answer.header('wayside-blocks') ?? '').split(', ').filter(Boolean)) {
    const [partition = 0, first = 0] = block.split('.').map(Number);
    const end = at + HEADER_BYTES + u32At(bytes, at + 9);
    if (crc32c(bytes, at, end) !== u32At(bytes, end)) throw new Violation(`a block of ${block} has a wrong CRC`);
    yield { partition, first, cursor: new RecordCursor(bytes, at + HEADER_BYTES, end) };
    at = end + CRC_BYTES;
  }
  if (at !== bytes.length) throw new Violation('there are bytes after the last block');
}

/** Those of which only the ranges were told are in them, and from now on exactly where they are. */
function settleSpread(station: StationLedger, places: ReadonlyMap<string, string>): void {
  for (const [id, ranges] of station.somewhere) {
    const place = places.get(id);
    if (place === undefined) throw new Violation(`${station.name}: ${id} was answered as stored, and is nowhere`);
    const [partition = 0, sequence = 0] = place.split('.').map(Number);
    if (!ranges.some(([of, first, count]) => of === partition && sequence >= first && sequence < first + count)) {
      throw new Violation(`${station.name}: ${id} is at ${place}, outside of the ranges that were told: ${JSON.stringify(ranges)}`);
    }
    station.stored(station.sent.get(id)!, partition, sequence);
  }
  station.somewhere.clear();
}

/** Whatever was rejected with an answer is a dead letter with its bytes; nothing else is, but what may have been. */
async function verifyLetters(client: Client, path: string, station: StationLedger): Promise<void> {
  for (const group of Object.values(station.groups)) {
    const dead = new Set<string>();
    for (let after = ''; ; ) {
      const { items, next } = (await client.call('GET', `${path}/dead-letters?group=${group.name}&limit=1000${after}`)).json;
      for (const { message } of items) {
        station.seen('a dead letter', message);
        dead.add(placeOf(message.partition, message.sequence));
      }
      if (next === null) break;
      after = `&after=${encodeURIComponent(next)}`;
    }
    const missing = group.dead.filter((place) => !dead.has(place));
    if (missing.length > 0) throw new Violation(`${station.name}/${group.name}: rejected, and no dead letter: ${missing.slice(0, 5)}`);
    const allowed = new Set([...group.dead, ...group.undecided]);
    const extra = [...dead].filter((place) => !allowed.has(place));
    if (extra.length > 0) throw new Violation(`${station.name}/${group.name}: dead, and nobody has rejected it: ${extra.slice(0, 5)}`);
  }
}

/** At the end: every message that was sent is there once, and every group has been given every one of them. */
export function verifyComplete(station: StationLedger, stored: number): void {
  if (stored !== station.sent.size) throw new Violation(`${station.name}: ${station.sent.size} messages were sent, ${stored} are there`);
  for (const group of Object.values(station.groups)) {
    const skipped = [...station.placed.keys()].filter((place) => !group.told.has(place));
    if (skipped.length > 0)
      throw new Violation(`${station.name}/${group.name}: never delivered: ${skipped.slice(0, 5)} and so on, ${skipped.length} in all`);
  }
}
