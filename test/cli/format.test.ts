/** How messages are printed: for people, as JSON, raw, by a template. */
import { expect, test } from 'vitest';
import type { Shown } from '../../src/cli/format.ts';
import { makeFormat, memberOf } from '../../src/cli/format.ts';
import { plain } from '../../src/cli/text.ts';

function message(payload: string | Uint8Array, more: Partial<Shown> = {}): Shown {
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
  return { partition: 0, sequence: 17, producedAt: 1_760_000_000_000, headers: {}, bytes, ...more } as Shown;
}

const JSON_TYPE = { contentType: 'application/json' };
const show = (format: string, of: Shown, isTerminal = false) => {
  const shown = makeFormat(format, plain, isTerminal)(of);
  return typeof shown === 'string' ? shown : Buffer.from(shown).toString('latin1');
};

test('json: the payload as it was stored, digit for digit, on one line', () => {
  expect(show('json', message('{"total": 12345678901234567890.10}', { ...JSON_TYPE, key: 'k', id: 'i', headers: { a: '1' } }))).toBe(
    '{"partition":0,"sequence":17,"producedAt":1760000000000,"key":"k","id":"i","headers":{"a":"1"},"contentType":"application/json","payload":{"total": 12345678901234567890.10}}\n',
  );
  const spread = show('json', message('{\n  "a": "x\\ny"\r\n}', { contentType: 'application/vnd.x+json; charset=utf-8' }));
  expect(spread.trimEnd()).not.toContain('\n');
  expect(JSON.parse(spread).payload).toEqual({ a: 'x\ny' });
});

test('json: what is no JSON is text, what is no text is base64', () => {
  expect(JSON.parse(show('json', message('{broken', JSON_TYPE)))).toMatchObject({ text: '{broken' });
  expect(JSON.parse(show('json', message('{"a":1}', { contentType: 'text/plain' })))).toMatchObject({ text: '{"a":1}' });
  expect(JSON.parse(show('json', message(new Uint8Array([255, 0, 1]))))).toMatchObject({ base64: '/wAB' });
  expect(JSON.parse(show('json', message('x', { deliveries: 2, receipt: '0.17.a' })))).toMatchObject({ deliveries: 2, receipt: '0.17.a' });
});

test('raw: the bytes and a line end; at a terminal nothing that moves its cursor', () => {
  expect(show('raw', message(new Uint8Array([255, 10, 0])))).toBe('\u00ff\n\0\n');
  expect(show('raw', message('a\u001b[2J'), true)).toBe('a\\x1b[2J\n');
  expect(show('raw', message(new Uint8Array([255])), true)).toBe('<1 B: ff>\n');
});

test('pretty: one line, with key, deliveries and headers', () => {
  const line = show('pretty', message('a\nb', { key: 'k\u001b', deliveries: 3, headers: { trace: 't1' } }));
  expect(line).toMatch(/^0\/17 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}k\\x1b {2}delivery 3 {2}trace=t1 {2}a\\nb\n$/);
  expect(show('pretty', message(new Uint8Array(30).fill(255)))).toContain('<30 B: ff ff ');
  expect(show('pretty', message('x', { deliveries: 1 }))).not.toContain('delivery');
});

test('a template names fields, headers and members of JSON', () => {
  const of = message('{"user":{"id":7,"tags":["a","b"]}}', { ...JSON_TYPE, key: 'k', headers: { 'trace-id': 't1' } });
  expect(show('{partition}/{sequence} {key} {id}|', of)).toBe('0/17 k |\n');
  expect(show('{header.Trace-Id} {header.none}|', of)).toBe('t1 |\n');
  expect(show('{payload.user.id} {payload.user.tags} {payload.user.tags.1} {payload.nothing}|', of)).toBe('7 ["a","b"] b |\n');
  expect(show('{size}\\t{{x}}\\n', of)).toBe('34\t{x}\n\n');
  expect(show('{payload}\\0', message('a'))).toBe('a\0');
  expect(show('{payload}', message(new Uint8Array([255])))).toBe('\u00ff\n');
  expect(show('{payload}', message('\u001b[2J'), true)).toBe('\\x1b[2J\n');
});

test('a template that cannot be is refused with what could', () => {
  expect(() => show('{sequnce}', message(''))).toThrow('A message has no {sequnce}. Did you mean {sequence}?');
  expect(() => show('{constructor}', message(''))).toThrow('A message has no {constructor}.');
  expect(() => show('prety', message(''))).toThrow('--format is "prety"');
});

test('members are found by path, and only own ones', () => {
  expect(memberOf({ a: { b: [1, 2] } }, ['a', 'b', '1'])).toBe(2);
  expect(memberOf({ a: 1 }, ['a', 'b'])).toBeUndefined();
  expect(memberOf({}, ['constructor'])).toBeUndefined();
  expect(memberOf(null, ['a'])).toBeUndefined();
});
