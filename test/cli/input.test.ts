/** Messages out of files: by line, as NDJSON, as CSV, whole; and what is said of those that cannot be read. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Cut, Input } from '../../src/cli/input.ts';
import { fromText, readSource, sourceOf } from '../../src/cli/input.ts';

const folder = mkdtempSync(join(tmpdir(), 'wayside-input-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(content: string | Uint8Array, cut: Cut, name = 'file'): Promise<Input[]> {
  const file = join(folder, name);
  writeFileSync(file, content);
  const inputs: Input[] = [];
  let bytes = 0;
  const told = (more: number) => {
    bytes += more;
  };
  for await (const some of readSource(sourceOf(file), cut, told, new AbortController().signal)) inputs.push(...some);
  expect(bytes, 'every byte was told of').toBe(Buffer.byteLength(content));
  return inputs;
}

const texts = (inputs: readonly Input[]) => inputs.map(({ payload }) => Buffer.from(payload).toString());
const CSV: Cut = { by: 'csv', separator: ',', typed: false };

test('lines: bytes as they are, without their ends, empty ones left out', async () => {
  const inputs = await read('one\r\ntwo\n\n{"a":1}\n{no json\nlast', { by: 'line' });
  expect(texts(inputs)).toEqual(['one', 'two', '{"a":1}', '{no json', 'last']);
  expect(inputs.map(({ contentType }) => contentType)).toEqual([
    'text/plain',
    'text/plain',
    'application/json',
    'text/plain',
    'text/plain',
  ]);
  expect(inputs[4]?.from).toMatch(/^line 6 of /);
  const [binary] = await read(new Uint8Array([255, 0, 254, 10]), { by: 'line' });
  expect([...(binary?.payload ?? [])]).toEqual([255, 0, 254]);
});

test('lines longer than a read are put together again', async () => {
  const long = 'x'.repeat(700_000);
  expect(texts(await read(`${long}\nshort\n${long}`, { by: 'line' }))).toEqual([long, 'short', long]);
});

test('ndjson: as it stands, and checked', async () => {
  const inputs = await read('{"n": 1.0, "user":{"id":7}}\n  \n"text"\n12\n', { by: 'ndjson' });
  expect(texts(inputs)).toEqual(['{"n": 1.0, "user":{"id":7}}', '"text"', '12']);
  expect(inputs[0]?.field(['user', 'id'])).toBe('7');
  expect(inputs[0]?.field(['user'])).toBeUndefined();
  await expect(read('{}\n{"a":}\n', { by: 'ndjson' })).rejects.toThrow(/^Line 2 of .* is no JSON/);
});

test.each([
  ['ndjson', { by: 'ndjson' }, '{"n":1}\n{"n":2}\n{bad\n{"n":3}\n', 'Line 3 of'],
  ['csv with a field too many', CSV, 'n\n1\n2\n3,4\n5\n', 'has 2 fields'],
  ['csv with a broken quote', CSV, 'n\n1\n2\n"3"x\n5\n', 'is no CSV'],
] as const)('%s: what stands before something wrong is given first', async (_, cut, content, why) => {
  const file = join(folder, 'wrong');
  writeFileSync(file, content);
  const given: string[] = [];
  const reading = (async () => {
    const inputs = readSource(sourceOf(file), cut, () => undefined, new AbortController().signal);
    for await (const some of inputs) given.push(...texts(some).map((text) => text.replace(/\D/g, '')));
  })();
  await expect(reading).rejects.toThrow(why);
  expect(given).toEqual(['1', '2']);
});

test('csv: objects by the header row', async () => {
  const inputs = await read('\ufeffid,name\r\n007,"Ann, ""A"""\n8,\n', CSV);
  expect(texts(inputs)).toEqual(['{"id":"007","name":"Ann, \\"A\\""}', '{"id":"8","name":""}']);
  expect(inputs[0]?.field(['id'])).toBe('007');
  expect(inputs[0]?.contentType).toBe('application/json');
});

test('csv: typed, where nothing is lost', async () => {
  const [row] = texts(await read('a,b,c,d,e,f,g\n1,-2.5,007,true,,12345678901234567890,1e3\n', { ...CSV, typed: true }));
  expect(JSON.parse(row ?? '')).toEqual({ a: 1, b: -2.5, c: '007', d: true, e: null, f: '12345678901234567890', g: '1e3' });
});

test('csv: a name such as __proto__ is a name like any other', async () => {
  expect(texts(await read('__proto__,a\n1,2\n', CSV))).toEqual(['{"__proto__":"1","a":"2"}']);
});

test('csv: what is wrong is named by line', async () => {
  await expect(read('a,b\n1,2\n1\n', CSV)).rejects.toThrow(/^Line 3 of .* has 1 fields, and the header has 2/);
  await expect(read('a,a\n', CSV)).rejects.toThrow('names the column "a" twice');
  await expect(read('a,\n1,2\n', CSV)).rejects.toThrow('a column without a name');
  await expect(read('a\n"x"y\n', CSV)).rejects.toThrow(/^Line 2 of .* is no CSV/);
});

test('whole: a file is a message, its type by its name', async () => {
  expect(await read('{\n}\n', { by: 'whole' }, 'a.json')).toMatchObject([{ contentType: 'application/json' }]);
  const [input] = await read(new Uint8Array([1, 2]), { by: 'whole' }, 'a.bin');
  expect(input).toMatchObject({ contentType: undefined, payload: Buffer.from([1, 2]) });
});

test('words: JSON where they are an object or a list', () => {
  expect(fromText('{"a":1}', '').contentType).toBe('application/json');
  expect(fromText(' [1]', '').contentType).toBe('application/json');
  for (const text of ['12', '"x"', '{a}', 'null', '']) expect(fromText(text, '').contentType, text).toBe('text/plain');
  expect(fromText('{"user":{"id":"u"}}', '').field(['user', 'id'])).toBe('u');
});

test('files that are not there, or are folders', () => {
  expect(() => sourceOf(join(folder, 'none'))).toThrow('There is no file');
  expect(() => sourceOf(folder)).toThrow('is a folder');
  expect(sourceOf('-')).toEqual({ file: '-', bytes: undefined });
});

test('reading ends where it is told to', async () => {
  const file = join(folder, 'long');
  writeFileSync(file, 'line\n'.repeat(1_000_000));
  const ending = new AbortController();
  let count = 0;
  for await (const some of readSource(sourceOf(file), { by: 'line' }, () => {}, ending.signal)) {
    count += some.length;
    ending.abort();
  }
  expect(count).toBeGreaterThan(0);
  expect(count).toBeLessThan(1_000_000);
});
