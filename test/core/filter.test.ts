/** Filters: the language, and groups that are given only what matches. */
import { describe, expect, test } from 'vitest';
import { RecordCursor } from '../../src/core/batch/walk.ts';
import { WaysideError } from '../../src/core/errors.ts';
import { parseFilter } from '../../src/core/filter/parse.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';
import type { Told } from './_broker.ts';
import { batch, NS, openBench, produce, receipts, texts } from './_broker.ts';

const matches = (text: string, message: Exclude<Told, string>): boolean => {
  const bytes = batch(message);
  const cursor = new RecordCursor(bytes, 13, bytes.length - 4);
  cursor.next();
  return parseFilter(text, DEFAULT_LIMITS)(cursor);
};

const message = {
  key: 'order-17',
  headers: [
    ['type', 'created'],
    ['region', 'eu-west'],
    ['type', 'second'],
    ['a b', 'x"y'],
  ] as [string, string][],
};

describe('the language', () => {
  test.each([
    ['key == "order-17"', true],
    ['key != "order-17"', false],
    ['key ^= "order-"', true],
    ['key in ("x", "order-17")', true],
    ['key in ("x")', false],
    ['header.type == "created"', true],
    ['header.type == "second"', false],
    ['header["a b"] == "x\\"y"', true],
    ['exists(header.region) && !exists(header.none)', true],
    ['header.none == ""', false],
    ['header.none != "a"', true],
    ['header.none ^= ""', false],
    ['key == "x" || key == "order-17" && header.region ^= "eu-"', true],
    ['(key == "order-17" || key == "x") && header.region ^= "us-"', false],
    ['!(key == "x") && !!exists(key)', true],
    ['exists(key)', true],
  ])('%s is %s', (text, wanted) => {
    expect(matches(text, message)).toBe(wanted);
  });

  test('a message without key and headers', () => {
    for (const text of ['exists(key)', 'key == ""', 'exists(header.type)', 'header.type in ("")']) expect(matches(text, {})).toBe(false);
    expect(matches('key != "a" && header.type != "b"', {})).toBe(true);
  });

  test.each([
    ['', 'At character 1 there is the end'],
    ['key', 'where "==", "!=", "^=" or "in" is expected'],
    ['key == ', 'At character 8 there is the end where a text in double quotes is expected'],
    ["key == 'a'", 'At character 8'],
    ['key == "a" and key == "b"', 'At character 12 there is "and key == \\"b\\"" where "&&", "||" or the end is expected'],
    ['keys == "a"', 'At character 1'],
    ['header == "a"', 'where "." is expected'],
    ['header. == "a"', 'the name of a header'],
    ['(key == "a"', '")" is expected'],
    ['key == "a")', 'At character 11'],
    ['key in ()', 'a text in double quotes'],
    ['exists key', '"(" is expected'],
    ['key == "a\\n"', 'At character 8'],
    [`key == "${'x'.repeat(1100)}"`, '1024 are allowed'],
    [Array.from({ length: 65 }, () => 'exists(key)').join('||'), 'more than 64 comparisons'],
    [`key in (${Array.from({ length: 65 }, () => '""').join()})`, 'more than 64 comparisons'],
  ])('%s is refused', (text, said) => {
    const parse = () => parseFilter(text, DEFAULT_LIMITS);
    expect(parse).toThrow(WaysideError);
    expect(parse).toThrow(said);
  });

  test('deep nesting is bounded by the length, and does not overflow', () => {
    expect(matches(`${'('.repeat(500)}exists(key)${')'.repeat(500)}`, message)).toBe(true);
    expect(matches(`${'!'.repeat(1000)}exists(key)`, message)).toBe(true);
  });
});

test('a group is given only what matches, and goes by the rest', async () => {
  const { broker } = await openBench();
  await broker.putGroup(NS, 's', 'g', { filter: 'key in ("a", "b") && !exists(header.test)' });
  await produce(broker, [
    { key: 'a', payload: '1' },
    { key: 'c', payload: '2' },
    { key: 'b', payload: '3', headers: [['test', '']] },
    { payload: '4' },
    { key: 'b', payload: '5' },
  ]);
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ unread: 5, unreadIsUpperBound: true });
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  expect(texts(blocks)).toEqual(['0.1 1', '0.5 5']);
  expect(await broker.audit(NS, 's', 'g')).toMatchObject({ produced: 5, inFlight: 2, filtered: 3, pending: 0, balanced: true });
  await broker.settle(NS, 's', 'g', 'ack', { receipts: receipts(blocks) });
  expect(await broker.group(NS, 's', 'g')).toMatchObject({ unread: 0, oldestPendingAt: null });
});

test('one in very many is found, in slices, by a fetch that waits too', async () => {
  const { broker } = await openBench({}, { limits: { passedMax: 50 } });
  await broker.putGroup(NS, 's', 'g', { filter: 'key == "rare"' });
  for (let i = 0; i < 10; i++)
    await produce(
      broker,
      Array.from({ length: 100 }, () => 'x'),
    );
  const waiting = broker.fetch(NS, 's', 'g', { consumer: 'c', waitMs: 10_000 });
  await produce(broker, ['x', { key: 'rare', payload: 'found' }]);
  expect(texts((await waiting).blocks)).toEqual(['0.1002 found']);
});

test('a new filter concerns what the group has not come to; what was delivered is not asked again', async () => {
  const { broker } = await openBench();
  await broker.putGroup(NS, 's', 'g', { filter: 'key == "a"' });
  await produce(broker, [{ key: 'a' }, { key: 'b' }, { key: 'a' }]);
  const { blocks } = await broker.fetch(NS, 's', 'g', { consumer: 'c', max: 1 });
  await broker.patchGroup(NS, 's', 'g', { filter: 'key == "b"' });
  await broker.settle(NS, 's', 'g', 'nack', { receipts: receipts(blocks) });
  const { blocks: again } = await broker.fetch(NS, 's', 'g', { consumer: 'c' });
  expect(texts(again).map((text) => text.trim())).toEqual(['0.1', '0.2']);
  await broker.patchGroup(NS, 's', 'g', { filter: null });
  await produce(broker, [{ key: 'z' }]);
  expect(texts((await broker.fetch(NS, 's', 'g', { consumer: 'c' })).blocks).map((text) => text.trim())).toEqual(['0.4']);
});
