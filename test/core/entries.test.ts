/**
 * Every entry kind against its golden bytes: a layout that was released never changes, and a later version must read it.
 *
 * A new kind or version is added with `WAYSIDE_GOLDEN=write`; a line that changes then is a broken promise.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { Codec } from '../../src/core/entry/codec.ts';
import { decode, encode } from '../../src/core/entry/codec.ts';
import type { Kind } from '../../src/core/entry/kinds.ts';
import { KIND, kindOf } from '../../src/core/entry/kinds.ts';
import { outputsBody, readOutputs } from '../../src/core/entry/outbox.ts';
import { carriedBody, producedBody, readCarried } from '../../src/core/entry/produce.ts';
import { readScheduled, scheduledBody } from '../../src/core/entry/schedule.ts';
import { WaysideError } from '../../src/core/errors.ts';

const FILE = new URL('../golden/entries.json', import.meta.url);
const config = {
  partitions: 3,
  retention: { maxAgeMs: 60_000, maxMessages: undefined, maxBytes: 2 ** 40, untilAcked: true, discard: 'refuse' },
  durability: 'synced',
  dedupWindowMs: 120_000,
  maxMessageBytes: 1_048_576,
  deadLetter: { maxAgeMs: undefined },
};
const group = {
  startAt: 'time:1700000000000',
  order: 'partition',
  leaseMs: 30_000,
  maxDeliveries: 5,
  maxInFlight: undefined,
  maxInFlightPerConsumer: undefined,
  backoff: undefined,
  filter: undefined,
  paused: false,
};
const ranges = [
  { from: 1, count: 3 },
  { from: 2 ** 40, count: 1 },
];
const letters = [{ sequence: 7, died: 300 }];

/** A value of each kind that is not a record batch, with every optional field once there and once not. */
const SAMPLES: Partial<Record<keyof typeof KIND, unknown>> = {
  configured: { command: 9, version: 2, secret: 0xdeadbeef, config },
  trimmed: { command: 0, reason: 'acked', first: 129, bytes: 70_000, oldest: 1_700_000_000_000 },
  groupMade: { command: 11, group: 2 ** 41, name: 'größe', at: 1, config: { ...group, maxInFlight: 7 } },
  groupChanged: { command: 12, group: 5, config: group },
  groupRemoved: { command: 13, group: 5 },
  sought: { command: 14, group: 5, at: 4 },
  passed: { group: 5, why: 'filtered', ranges },
  stepped: { group: 5, ranges, spans: [{ from: 1, to: 3, epoch: 2, index: 400 }], produced: 7 },
  leased: {
    group: 5,
    consumer: 'c1',
    expires: 1_700_000_030_000,
    runs: [
      { from: 1, count: 100, deliveries: 1 },
      { from: 200, count: 1, deliveries: 3 },
    ],
  },
  acked: { group: 5, ranges },
  returned: { group: 5, why: 'expired', due: 0, ranges },
  extended: { group: 5, expires: 1_700_000_060_000, ranges },
  died: { group: 5, reason: 'max-deliveries', error: 'cannot parse', ranges },
  redriven: { letters },
  lettersRemoved: { why: 'age', letters },
  producerMoved: {
    producer: 'p',
    epoch: 2,
    sequence: 40,
    count: 300,
    stored: [
      { sequence: 40, count: 1, first: 12 },
      { sequence: 42, count: 298, first: 2 ** 40 },
    ],
  },
  scheduleEnded: { why: 'due', numbers: [1, 2], first: 130 },
  intended: { why: 'redrive', station: 77, items: [{ sequence: 7, died: 300, partition: 2 }] },
  intentEnded: { produced: [1, 2], refused: [{ number: 3, error: 'too large' }] },
  founded: { seed: 4097 },
  namespaceMade: { id: 1, name: 'default' },
  stationMade: { id: 4097, namespace: 1, name: 'orders', secret: 1, config },
  stationChanged: { station: 4097, config },
  stationRemoved: { station: 4097 },
  stationReborn: { station: 4097, id: 4098 },
  catalogGroupMade: { station: 4097, id: 4099, name: 'g', config: group },
  catalogGroupChanged: { station: 4097, id: 4099, config: group },
  catalogGroupRemoved: { station: 4097, id: 4099 },
  commanded: { station: 4097, verb: 'seek', partition: 1, group: 4099, place: { kind: 'time', value: 1_700_000_000_000 } },
  visited: { command: 12 },
  importBegun: { ids: 3 },
  stationsImported: {
    stations: [
      {
        id: 2 ** 40,
        namespace: 2,
        name: 'orders',
        secret: 7,
        createdAt: 1_700_000_000_000,
        config,
        version: 4,
        groups: [{ id: 2 ** 40 + 1, name: 'billing', createdAt: 1_700_000_000_001, config: group, version: 2 }],
      },
    ],
  },
  importsDropped: { stations: [2 ** 40, 5] },
};

const BATCHES = new Set(['produced', 'carried', 'scheduled', 'outputs']);

function batch(): { bytes: Uint8Array; end: number; crc: number } {
  const builder = new BatchBuilder();
  builder.append({ key: 'k', id: 'i', contentType: 'text/plain', headers: [['h', 'v']], payload: new Uint8Array([1, 2, 3]) });
  const bytes = builder.finish();
  const end = bytes.length - 4;
  return { bytes, end, crc: new DataView(bytes.buffer, bytes.byteOffset).getUint32(end, true) };
}

const waiting = { items: [{ number: 3, due: 1_700_000_000_500, accepted: 1_700_000_000_000 }] };
const outputs = { items: [{ number: 9, station: 2 ** 40, partition: 3, group: 5 }] };
const meta = { messages: [{ sequence: 12, time: 1_700_000_000_000 }] };

function sampleBytes(name: string, kind: Kind<unknown>): Uint8Array {
  const { bytes, end, crc } = batch();
  if (name === 'produced') return join(producedBody(bytes, end, crc).parts);
  if (name === 'carried') return join(carriedBody(bytes, end, crc, meta).parts);
  if (name === 'scheduled') return join(scheduledBody(bytes, end, crc, waiting).parts);
  if (name === 'outputs') return join(outputsBody(bytes, end, crc, outputs).parts);
  return encode(kind.codec, SAMPLES[name as keyof typeof KIND]);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const all = Object.entries(KIND) as [string, Kind<unknown>][];

describe('golden bytes', () => {
  const written = Object.fromEntries(
    all.map(([name, kind]) => [`${kind.id} ${name} v${kind.version}`, Buffer.from(sampleBytes(name, kind)).toString('hex')]),
  );
  if (process.env.WAYSIDE_GOLDEN === 'write') writeFileSync(FILE, `${JSON.stringify(written, null, 2)}\n`);
  const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, string>;

  test('every kind has its golden bytes, and no golden bytes lack a kind', () => {
    expect(Object.keys(golden).sort()).toEqual(Object.keys(written).sort());
  });

  test.each(all)('%s', (name, kind) => {
    const hex = golden[`${kind.id} ${name} v${kind.version}`]!;
    expect(Buffer.from(sampleBytes(name, kind)).toString('hex')).toBe(hex);
    const bytes = new Uint8Array(Buffer.from(hex, 'hex'));
    if (!BATCHES.has(name)) expect(decode(kind.codec, bytes)).toEqual(SAMPLES[name as keyof typeof KIND]);
    if (name === 'carried') expect(readCarried(bytes)).toEqual(meta);
    if (name === 'outputs') expect(readOutputs(bytes)).toEqual(outputs);
    if (name === 'scheduled') expect(readScheduled(bytes)).toEqual(waiting);
  });
});

test('the CRC of a body is that of its parts, though the batch is not hashed again', () => {
  const { bytes, end, crc } = batch();
  for (const body of [
    producedBody(bytes, end, crc),
    carriedBody(bytes, end, crc, meta),
    scheduledBody(bytes, end, crc, waiting),
    outputsBody(bytes, end, crc, outputs),
  ])
    expect(body.crc).toBe(crc32c(join(body.parts)));
});

test('an unknown kind or version refuses to be read', () => {
  for (const [id, version] of [
    [0, 1],
    [40, 1],
    [255, 1],
    [1, 2],
    [9, 0],
  ] as const) {
    expect(() => kindOf(id, version)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }) as Error);
  }
});

test('damaged bytes are CORRUPTION or another value, never another error', () => {
  const samples = all
    .filter(([name]) => !BATCHES.has(name))
    .map(([name, kind]) => ({ codec: kind.codec as Codec<unknown>, bytes: sampleBytes(name, kind) }));
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.nat(), fc.nat(7), fc.nat(), (sample, at, bit, cut) => {
      const bytes = sample.bytes.slice(0, 1 + (cut % sample.bytes.length));
      bytes[at % bytes.length]! ^= 1 << bit;
      try {
        decode(sample.codec, bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WaysideError);
        expect((error as WaysideError).code).toBe('CORRUPTION');
      }
    }),
    { numRuns: 20_000 },
  );
});
