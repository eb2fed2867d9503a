/**
 * Every malformed batch is refused. Valid batches of many shapes are damaged, and `checkBatch` is judged by a reader that
 * shares no code with it (_reference.ts).
 *
 * Checked for each damaged batch:
 * - it is taken exactly when the reference takes it, and nothing but a WaysideError is thrown;
 * - taken, the cursor stays inside each record, gives what the reference read, and it encodes to the same bytes;
 * - it lies inside a larger buffer full of other bytes, so that reading past its end is noticed.
 * Damage: each bit turned, each length cut, each header field changed, varints put in, bytes put in, removed, doubled and
 * changed; as it is, with the CRC made right, and with the lengths made right too, so that the walk is reached.
 *
 * `WAYSIDE_FUZZ=1000000` sets how many, `WAYSIDE_FUZZ_SEED=7` where it begins. A failure names the seed that repeats it.
 */
import { expect, test } from 'vitest';
import type { NewMessage } from '../../src/core/batch/build.ts';
import type { BatchView } from '../../src/core/batch/walk.ts';
import { checkBatch, RecordCursor, viewStored } from '../../src/core/batch/walk.ts';
import { WaysideError } from '../../src/core/errors.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import { batchOf, hex, join, messageAt, Random, randomMessages, u32 } from './_batches.ts';
import { plainCrc, readPlainly } from './_reference.ts';

const MUTATIONS = Number(process.env.WAYSIDE_FUZZ ?? 150_000);
const SEED = Number(process.env.WAYSIDE_FUZZ_SEED ?? 1);

type Check = (bytes: Uint8Array) => BatchView;
const check: Check = (bytes) => checkBatch(bytes, DEFAULT_LIMITS);

test(`${MUTATIONS} damaged batches from seed ${SEED}`, { timeout: 20_000 + MUTATIONS / 2 }, () => {
  const { runs, taken, failure } = fuzz(SEED, MUTATIONS, check);
  expect(failure).toBeUndefined();
  // Both verdicts must be usual, or the damage is too rough or too mild to say anything.
  expect(taken / runs).toBeGreaterThan(0.02);
  expect(taken / runs).toBeLessThan(0.7);
});

test('the same seed damages the same way', () => {
  const first = [...damagedFrom(new Random(5))].map(hex);
  expect([...damagedFrom(new Random(5))].map(hex)).toEqual(first);
});

// A fuzzer that finds nothing may be one that looks nowhere: with any single check left out it has to fail.
test.each([
  /CRC does not match/,
  /its count says/,
  /The length says/,
  /The flags are/,
  /begins with WSR1/,
  /unknown attributes/,
  /number of headers/,
  /length of its key/,
  /key ends after/,
  /id is not UTF-8/,
  /header name is not UTF-8/,
  /header value ends after/,
  /its delay is not valid/,
  /its expiry is not valid/,
])('canary: without the check "%s" a failure is found', (left) => {
  const careless: Check = (bytes) => {
    try {
      return check(bytes);
    } catch (error) {
      if (!(error instanceof WaysideError && left.test(error.message))) throw error;
      return { ...viewStored(batchOf([{ payload: bytes }])), crc: 0 } as BatchView;
    }
  };
  expect(fuzz(SEED, 100_000, careless).failure).toMatch(/taken, the reference refuses it; WAYSIDE_FUZZ_SEED=\d+/);
});

/** Damages batches of rising seeds until enough are judged or one fails. */
function fuzz(seed: number, mutations: number, judged: Check): { runs: number; taken: number; failure?: string } {
  let runs = 0;
  let taken = 0;
  for (let next = seed; runs < mutations; next++) {
    for (const bytes of damagedFrom(new Random(next))) {
      const verdict = judge(bytes, judged);
      if (verdict === 'taken') taken++;
      else if (verdict !== 'refused') return { runs, taken, failure: `${verdict}; WAYSIDE_FUZZ_SEED=${next}; ${hex(bytes)}` };
      if (++runs >= mutations) break;
    }
  }
  return { runs, taken };
}

const ARENA = new Uint8Array(16_384);

/** @returns 'taken', 'refused', or what is wrong */
function judge(damaged: Uint8Array, judged: Check): string {
  ARENA.fill(1);
  const at = 1 + (damaged.length % 7);
  ARENA.set(damaged, at);
  const bytes = ARENA.subarray(at, at + damaged.length);
  const expected = readPlainly(damaged);
  let view: BatchView;
  try {
    view = judged(bytes);
  } catch (error) {
    if (!(error instanceof WaysideError)) return `threw ${error}`;
    if (error.code !== 'INVALID_RECORDS' && error.code !== 'BATCH_TOO_LARGE') return `refused with ${error.code}`;
    return expected === undefined ? 'refused' : `refused (${error.message}), the reference takes it`;
  }
  if (expected === undefined) return 'taken, the reference refuses it';
  return walkAll(bytes, view, damaged, expected) ?? 'taken';
}

/** @returns what is wrong with the walk over a batch that was taken */
function walkAll(bytes: Uint8Array, view: BatchView, damaged: Uint8Array, expected: NewMessage[]): string | undefined {
  if (view.count !== expected.length || view.recordsEnd !== damaged.length - 4) return 'the view is not the batch';
  const cursor = new RecordCursor(bytes, view.recordsStart, view.recordsEnd);
  const read: NewMessage[] = [];
  let end = view.recordsStart;
  while (cursor.next()) {
    if (cursor.offset !== end) return `record ${cursor.index} does not follow the one before it`;
    end = cursor.end;
    const offsets = [cursor.offset + 6, cursor.keyStart, cursor.keyEnd, cursor.idStart, cursor.idEnd, cursor.contentTypeStart];
    offsets.push(cursor.contentTypeEnd, cursor.headersStart, cursor.headersEnd, cursor.payloadStart, cursor.payloadEnd);
    const rising = offsets.filter((offset) => offset >= 0);
    if (rising.some((offset, i) => offset > cursor.end || offset < (rising[i - 1] ?? 0))) return `record ${cursor.index} leaves itself`;
    if (cursor.payloadEnd !== cursor.end) return `record ${cursor.index} does not end with its payload`;
    read.push(messageAt(cursor));
  }
  if (end !== view.recordsEnd) return 'the walk does not end with the records';
  if (hex(batchOf(read)) !== hex(damaged)) return 'what the cursor gives encodes to other bytes';
  if (hex(batchOf(expected)) !== hex(damaged)) return 'what the reference reads encodes to other bytes';
  return undefined;
}

/** All the damage done to one random batch: every single bit and length, then some hundred combinations. */
function* damagedFrom(random: Random): Generator<Uint8Array> {
  const valid = batchOf(randomMessages(random));
  yield valid;
  for (let bit = 0; bit < valid.length * 8; bit++) {
    const bytes = valid.slice();
    bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    yield bytes;
    if (bit < (valid.length - 4) * 8) yield rightCrc(bytes.subarray(0, -4));
  }
  for (let length = 0; length < valid.length; length++) {
    yield valid.subarray(0, length);
    if (length >= 13) {
      yield rightCrc(valid.slice(0, length));
      yield rightLength(valid.slice(0, length));
    }
  }
  for (const value of [0, 1, 2, 3, 255, 65_536, 0x7fffffff, 0x80000000, 0xffffffff]) {
    for (const at of [0, 1, 4, 5, 9, 13]) yield rightCrc(join(valid.subarray(0, at), u32(value), valid.subarray(at + 4, -4)));
  }
  for (let i = 0; i < 600; i++) yield deep(random, valid);
}

/** Damage to the records, once to thrice, with so much made right after it that the walk has to find it. */
function deep(random: Random, valid: Uint8Array): Uint8Array {
  const starts = recordStarts(valid);
  const pick = random.below(starts.length);
  const start = starts[pick] as number;
  const end = starts[pick + 1] ?? valid.length - 4;
  let body: Uint8Array = valid.slice(start + 4, end);
  for (let times = 1 + random.below(3); times > 0; times--) body = damage(random, body);
  // Mostly the record says its own new length; else its neighbours are read as part of it, or it as theirs.
  const size = random.below(8) === 0 ? end - start - 4 : body.length;
  const bytes = join(valid.subarray(0, start), u32(size), body, valid.subarray(end, -4));
  if (random.below(16) === 0) bytes[5] = random.below(8);
  return random.below(12) === 0 ? rightCrc(bytes) : rightLength(bytes);
}

const VARINTS = [
  [0],
  [0x80, 0],
  [0x81, 0],
  [0x7f],
  [0x80, 1],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x10],
  [0xff],
];
const BYTES = [0, 1, 2, 5, 0x7f, 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xf5, 0xff];

function damage(random: Random, body: Uint8Array): Uint8Array {
  // Nearer to the front, where the fields are.
  const at = random.below(1 + random.below(body.length + 1));
  const more = at + random.below(4);
  switch (random.below(7)) {
    case 0:
      return join(body.subarray(0, at), random.oneOf(VARINTS), body.subarray(random.oneOf([at, more])));
    case 1:
      return join(body.subarray(0, at), [random.oneOf(BYTES)], body.subarray(at));
    case 2:
      return join(body.subarray(0, at), [random.oneOf(BYTES)], body.subarray(at + 1));
    case 3:
      return join(body.subarray(0, at), body.subarray(more));
    case 4:
      return join(body.subarray(0, more), body.subarray(at));
    case 5:
      return join([random.below(64), 0], body.subarray(2));
    default:
      return join(body.subarray(0, at), random.bytes(random.below(5)), body.subarray(more));
  }
}

function recordStarts(valid: Uint8Array): number[] {
  const cursor = new RecordCursor(valid, 13, valid.length - 4);
  const starts: number[] = [];
  while (cursor.next()) starts.push(cursor.offset);
  return starts;
}

/** Everything but the CRC as it is, and the CRC over it. */
function rightCrc(bytes: Uint8Array): Uint8Array {
  return join(bytes, u32(plainCrc(bytes)));
}

function rightLength(bytes: Uint8Array): Uint8Array {
  bytes.set(u32(bytes.length - 13), 9);
  return rightCrc(bytes);
}
