/**
 * Producing over links that break, to a broker whose answers get lost, come late or twice: whatever happens, each message
 * is told its true fate, and is stored once at most, in order.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { virtualClock } from '../../src/adapters/memory/testing.ts';
import type { Produced, WaysideError } from '../../src/client/index.ts';
import { connectLink } from '../../src/client/index.ts';
import type { Fate } from './_model.ts';
import { ModelBroker } from './_model.ts';

type Step =
  | { readonly produce: number; readonly key: number | undefined }
  | { readonly waitMs: number }
  | { readonly cut: true }
  | { readonly downMs: number };

const PASSING: readonly Fate[] = ['answered', 'slow', 'twice', 'unanswered', 'cut-before', 'cut-after', 'overloaded', 'goaway', 'lost'];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ produce: fc.integer({ min: 1, max: 12 }), key: fc.option(fc.nat(5), { nil: undefined }) }) },
  { weight: 3, arbitrary: fc.record({ waitMs: fc.integer({ min: 0, max: 60 }) }) },
  { weight: 1, arbitrary: fc.constant({ cut: true as const }) },
  { weight: 1, arbitrary: fc.record({ downMs: fc.integer({ min: 1, max: 400 }) }) },
);

const world = (fates: readonly Fate[]) =>
  fc.record({
    seed: fc.nat(),
    partitions: fc.constantFrom(1, 1, 3),
    steps: fc.array(step, { minLength: 1, maxLength: 25 }),
    fates: fc.array(fc.constantFrom(...fates), { maxLength: 25 }),
    maxBatchMessages: fc.constantFrom(1, 3, 100),
    inFlight: fc.integer({ min: 1, max: 5 }),
  });

interface Sent {
  readonly text: string;
  fate: Produced | WaysideError | undefined;
}

test('with patience, every message is stored exactly once, in order, and told its place', async () => {
  await fc.assert(
    fc.asyncProperty(world(PASSING), async (given) => {
      const { sent, logs } = await run(given, 3_600_000);
      for (const { text, fate } of sent) expect(fate, text).not.toBeInstanceOf(Error);
      expect(logs.flat().sort()).toEqual(sent.map(({ text }) => text).sort());
      checkPlaces(sent, logs);
    }),
    { numRuns: 1_500, seed: 14 },
  );
}, 60_000);

test('without patience, what is told is true: refused is not stored, unknown is stored once at most', async () => {
  await fc.assert(
    fc.asyncProperty(
      world([...PASSING, 'refused', 'garbled', 'forgotten', 'forgotten']),
      fc.integer({ min: 5, max: 150 }),
      async (given, timeoutMs) => {
        const { sent, logs } = await run(given, timeoutMs);
        const stored = logs.flat();
        expect(new Set(stored).size).toBe(stored.length);
        for (const { text, fate } of sent) {
          if (fate instanceof Error && fate.outcome === 'refused') expect(stored, `${text}: ${fate.message}`).not.toContain(text);
          if (!(fate instanceof Error)) expect(stored, text).toContain(text);
        }
        checkPlaces(sent, logs);
      },
    ),
    { numRuns: 1_500, seed: 14 },
  );
}, 60_000);

async function run(
  { seed, partitions, steps, fates, maxBatchMessages, inFlight }: ReturnType<typeof world> extends fc.Arbitrary<infer W> ? W : never,
  timeoutMs: number,
): Promise<{ sent: Sent[]; logs: string[][] }> {
  const clock = virtualClock({ seed });
  const broker = new ModelBroker(clock);
  const { logs } = broker.station('orders', partitions);
  const left = [...fates];
  broker.fate = () => left.shift() ?? 'answered';
  // A frame that is lost, or an answer, on a link that lives on: only time tells.
  const wayside = connectLink(broker.open, { clock, retry: { firstMs: 5, maxMs: 50 } });
  const producer = wayside.station<string>('orders').producer({ maxBatchMessages, inFlight, timeoutMs, id: 'p', epoch: 1 });
  const sent: Sent[] = [];
  for (const step of steps) {
    if ('produce' in step) {
      for (let i = 0; i < step.produce; i++) {
        const message: Sent = { text: `${sent.length}`, fate: undefined };
        sent.push(message);
        const settled = (fate: Produced | WaysideError) => {
          expect(message.fate, 'settled once').toBeUndefined();
          message.fate = fate;
        };
        void producer.produce(message.text, step.key === undefined ? {} : { key: `k${step.key}` }).then(settled, settled);
      }
    } else if ('waitMs' in step) await clock.advance(step.waitMs);
    else if ('cut' in step) broker.cut();
    else {
      broker.isDown = true;
      broker.cut();
      await clock.advance(step.downMs);
      broker.isDown = false;
    }
  }
  // Links that swallow frames do not live for ever.
  for (let turn = 0; turn < 200 && producer.pending.messages > 0; turn++) {
    await clock.advance(100);
    broker.cut();
  }
  await clock.run(producer.close());
  expect(producer.pending).toEqual({ messages: 0, bytes: 0 });
  for (const { text, fate } of sent) expect(fate, text).toBeDefined();
  await wayside.close();
  // Answers of the model that are still on their way.
  await clock.advance(100);
  expect(clock.next(), 'a timer is left').toBeUndefined();
  return { sent, logs };
}

/** What was told to be stored is there, and in each partition in the order in which it was given. */
function checkPlaces(sent: readonly Sent[], logs: readonly string[][]): void {
  for (const { text, fate } of sent) {
    if (fate === undefined || fate instanceof Error) continue;
    expect(logs[fate.partition]?.[fate.sequence - 1]).toBe(text);
  }
  for (const log of logs) expect(log.map(Number)).toEqual(log.map(Number).sort((a, b) => a - b));
}
