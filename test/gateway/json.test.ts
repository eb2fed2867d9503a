/**
 * The byte scanners against what they must agree with: JSON.parse for what is JSON, Buffer for base64.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUtf8 } from '../../src/core/batch/utf8.ts';
import { fromBase64, writeBase64 } from '../../src/gateway/json/base64.ts';
import { isJsonType } from '../../src/gateway/json/message.ts';
import { DEPTH_MAX, isJson } from '../../src/gateway/json/scan.ts';
import { JsonWriter } from '../../src/gateway/json/write.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const judge = (text: string) => isJson(bytesOf(text), 0, bytesOf(text).length);
const parses = (text: string) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
/** Texts that are nearly JSON: its own letters, in any order. */
const nearly = fc.string({ unit: fc.constantFrom(...'{}[]",:\\/-+.eE0123456789truefalsn \n\t\r\u0000\u001f\u007fbu\ufeffé\u2028') });
const spaced = fc
  .tuple(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t', '  '))
  .map(([value, space]) => JSON.stringify(value, undefined, space));

describe('isJson', () => {
  it('takes what JSON.stringify writes', () => {
    fc.assert(fc.property(spaced, (text) => judge(text)));
  });

  it('judges as JSON.parse does: letters of JSON in any order', () => {
    fc.assert(
      fc.property(nearly, (text) => judge(text) === parses(text)),
      { numRuns: 20_000 },
    );
  });

  it('judges as JSON.parse does: JSON with one letter changed, cut or added', () => {
    fc.assert(
      fc.property(spaced, nearly, fc.nat(), fc.nat(3), (text, other, seed, cut) => {
        const at = seed % (text.length + 1);
        const changed = text.slice(0, at) + other.slice(0, 2) + text.slice(at + cut);
        return !changed.isWellFormed() || judge(changed) === parses(changed);
      }),
      { numRuns: 20_000 },
    );
  });

  it('reads nothing outside of its span', () => {
    const bytes = bytesOf('[1,{"a":"b"}]');
    for (let start = 0; start <= bytes.length; start++) {
      for (let end = start; end <= bytes.length; end++)
        expect(isJson(bytes, start, end), `${start} to ${end}`).toBe(parses(new TextDecoder().decode(bytes.subarray(start, end))));
    }
  });

  it(`takes a depth of ${DEPTH_MAX} and no more, and does not mind 1,000,000`, () => {
    const nested = (depth: number, open: string, close: string) => open.repeat(depth) + (open === '[' ? '' : '1') + close.repeat(depth);
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      expect(judge(nested(DEPTH_MAX, open, close))).toBe(true);
      expect(judge(nested(DEPTH_MAX + 2, open, close))).toBe(false);
      expect(judge(nested(1_000_000, open, close))).toBe(false);
    }
  });
});

describe('JsonWriter', () => {
  it('writes any UTF-8 as a string that reads back the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(3), (text, shift) => {
        const bytes = bytesOf('x'.repeat(shift) + text);
        const out = new JsonWriter(1);
        out.utf8(bytes, shift, bytes.length);
        return JSON.parse(new TextDecoder().decode(out.finish())) === text;
      }),
    );
  });

  it('turns the line breaks of JSON into lines of an event, and changes nothing else', () => {
    const out = new JsonWriter();
    const bytes = bytesOf('{\r\n"a":\r1,\n\n"b":2}');
    out.eventLines(bytes, 0, bytes.length);
    expect(new TextDecoder().decode(out.finish())).toBe('{\ndata: "a":\ndata: 1,\ndata: \ndata: "b":2}');
  });
});

describe('base64', () => {
  it('writes and reads as Buffer does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const letters = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
        expect(writeBase64(letters, 0, bytes, 0, bytes.length)).toBe(letters.length);
        const text = new TextDecoder().decode(letters);
        expect(text).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromBase64(text)).toEqual(bytes);
      }),
    );
  });

  it('takes one text for each bytes: no white space, no other alphabet, no bits left over, all padding', () => {
    for (const text of ['A', 'AA', 'AAA', 'AB==', 'AAB=', 'A===', '====', 'AA=A', 'AA A', 'AA-_', 'AAAA=', '%%%', 'é===', 'AAAA\n'])
      expect(fromBase64(text), text).toBeUndefined();
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'ABCz09+/=- '), maxLength: 12 }), (text) => {
        const bytes = fromBase64(text);
        return bytes === undefined || Buffer.from(bytes).toString('base64') === text;
      }),
    );
  });
});

it('a JSON content type is one with or without parameters, in any case, and nothing else', () => {
  const is = (text: string) => isJsonType(bytesOf(text), 0, bytesOf(text).length);
  for (const type of [
    'application/json',
    'Application/JSON',
    ' application/json ; charset=utf-8',
    'text/json',
    'application/vnd.odd+json;v=1',
    'a/b+JSON',
  ])
    expect(is(type), type).toBe(true);
  for (const type of [
    '',
    'text/plain',
    'application/jsonl',
    'xapplication/json',
    '+json',
    'application/json5',
    'text/plain; a=application/json',
  ])
    expect(is(type), type).toBe(false);
});

it('isUtf8 and the strict decoder agree, since the scanners rely on it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (bytes) => {
      let valid = true;
      try {
        new TextDecoder('utf-8', { fatal: true }).decode(bytes);
      } catch {
        valid = false;
      }
      return isUtf8(bytes, 0, bytes.length) === valid;
    }),
    { numRuns: 10_000 },
  );
});
