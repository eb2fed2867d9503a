/**
 * JSON and msgpack batches: what is taken, what is refused and how it is told, and that payloads stay what they were.
 */
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchBuilder } from '../../src/core/batch/build.ts';
import { RecordCursor } from '../../src/core/batch/cursor.ts';
import { HEADER_BYTES } from '../../src/core/batch/layout.ts';
import { WaysideError } from '../../src/core/errors.ts';
import { makeLimits } from '../../src/core/limits.ts';
import { readJsonBatch } from '../../src/gateway/json/spans.ts';
import { readMsgpackBatch } from '../../src/gateway/msgpack/batch.ts';
import { msgpackFault } from '../../src/gateway/msgpack/check.ts';
import { appendGiven } from '../../src/gateway/rest/given.ts';
import { makeSchemas } from '../../src/protocol/schemas.ts';

const limits = makeLimits();
const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

interface Taken {
  readonly atomic: boolean;
  readonly messages: {
    key: string | undefined;
    id: string | undefined;
    contentType: string | undefined;
    headers: [string, string][] | undefined;
    payload: string;
  }[];
}

/** What a body becomes, read back from the records. */
function taken(body: Uint8Array, read: typeof readJsonBatch): Taken {
  const builder = new BatchBuilder();
  const { atomic } = read(body, (message, index) => appendGiven(builder, message, index, limits));
  const batch = builder.finish();
  const cursor = new RecordCursor(batch, HEADER_BYTES, batch.length - 4);
  const messages: Taken['messages'] = [];
  while (cursor.next()) {
    const { key, id, contentType, headers } = cursor;
    messages.push({ key, id, contentType, headers, payload: textOf(cursor.payload) });
  }
  return { atomic, messages };
}

const json = (text: string) => taken(bytesOf(text), readJsonBatch);
const refusal = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof WaysideError) return { code: error.code, ...error.extra };
    throw error;
  }
  return undefined;
};

describe('a JSON batch', () => {
  it('keeps each payload byte for byte, whatever surrounds it', () => {
    const payloads = [
      '9007199254740993',
      '-0',
      '1.0',
      '1E400',
      '{"a":1,"a":2}',
      '{ "b" : [ 1 , 2 ] }',
      '"\\u00e9\\ud83d"',
      '{"__proto__":{"x":1}}',
      'null',
      '""',
      '"}],"',
      '[[],{},"\\\\"]',
    ];
    const body = ` {\n"messages" : [${payloads.map((payload, i) => `{ "key" : "k${i}" , "payload" :\t${payload}\n}`).join(' , ')}] , "atomic":true } `;
    const { messages, atomic } = json(body);
    expect(messages.map((message) => message.payload)).toEqual(payloads);
    expect(messages.map((message) => message.key)).toEqual(payloads.map((_, i) => `k${i}`));
    expect(messages.every((message) => message.contentType === 'application/json')).toBe(true);
    expect(atomic).toBe(true);
  });

  it('any JSON as payload: the span is the text that was written', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 5 }), fc.constantFrom(undefined, 2), (values, space) => {
        const texts = values.map((value) => JSON.stringify(value, undefined, space)).filter((text) => text.isWellFormed());
        const body = `{"messages":[${texts.map((text) => `{"payload":${text}}`).join(',')}]}`;
        return texts.length === 0 || json(body).messages.every((message, i) => message.payload === texts[i]);
      }),
    );
  });

  it('texts, names and values are what JSON.parse makes of them', () => {
    const body =
      '{"messages":[{"\\u0074ext":"a\\n\\u00fc\\ud83d\\ude80\\/","key":"\\"","headers":{"__proto__":"x","a\\tb":"","constructor":"y"},"id":""}]}';
    expect(json(body).messages).toEqual([
      {
        key: '"',
        id: '',
        contentType: 'text/plain',
        headers: [
          ['__proto__', 'x'],
          ['a\tb', ''],
          ['constructor', 'y'],
        ],
        payload: 'a\nü🚀/',
      },
    ]);
  });

  it('is refused with the index, and the field where it is one', () => {
    const cases: [string, Record<string, unknown>][] = [
      ['{"text":1}', { index: 1 }],
      ['{}', { index: 1 }],
      ['{"text":"a","base64":""}', { index: 1 }],
      ['{"payload":1,"payload":2}', { index: 1, field: 'payload' }],
      ['{"text":"a","nope":1}', { index: 1, field: 'nope' }],
      ['{"text":"a","__proto__":1}', { index: 1, field: '__proto__' }],
      ['{"text":"a","headers":{"a":"1","a":"2"}}', { index: 1, field: 'a' }],
      ['{"text":"a","headers":[]}', { index: 1 }],
      ['{"text":"a","delayMs":-1}', { index: 1 }],
      ['{"text":"a","delayMs":1.5}', { index: 1 }],
      ['{"text":"a","delayMs":"1"}', { index: 1 }],
      ['{"text":"a","delayMs":null}', { index: 1 }],
      ['{"text":"a\\ud800"}', { index: 1, field: 'text' }],
      ['{"text":"a","key":"\\udc00"}', { index: 1, field: 'key' }],
      ['{"base64":"AA="}', { index: 1, field: 'base64' }],
      ['null', { index: 1 }],
      ['[]', { index: 1 }],
      ['{"payload":01}', { index: 1 }],
    ];
    for (const [message, extra] of cases)
      expect(
        refusal(() => json(`{"messages":[{"text":"fine"},${message}]}`)),
        message,
      ).toEqual({ code: 'INVALID_REQUEST', ...extra });
    for (const body of [
      '',
      '{',
      '[]',
      'null',
      '{}',
      '{"messages":[]}{}',
      '{"messages":"a"}',
      '{"messages":[],"messages":[]}',
      '{"messages":[],"atomic":1}',
      '\ufeff{"messages":[]}',
      '{"messages":[{"text":"a"},]}',
    ]) {
      expect(refusal(() => json(body))?.code, body).toBe('INVALID_REQUEST');
    }
    expect(refusal(() => json(`{"messages":[${Array(10_001).fill('{"text":""}').join(',')}]}`))?.code).toBe('BATCH_TOO_LARGE');
  });

  it('is judged as its schema judges it', () => {
    const schema = makeSchemas(limits, 'node').messages.batch;
    const word = fc.constantFrom('payload', 'text', 'base64', 'key', 'id', 'headers', 'contentType', 'delayMs', 'expiresMs', 'nope');
    const value = fc.oneof(fc.constantFrom<unknown>('a', 'AAAA', '', 1, 0, -1, 1.5, null, true, [], {}, { a: '1' }, { a: 1 }), fc.string());
    const message = fc.dictionary(word, value, { maxKeys: 3 });
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 2 }), (messages) => {
        const forms = (given: object) => ['payload', 'text', 'base64'].filter((name) => name in given).length;
        const wanted = schema.safeParse({ messages }).success && messages.every((given) => forms(given) === 1);
        return (refusal(() => json(JSON.stringify({ messages }))) === undefined) === wanted;
      }),
      { numRuns: 3000 },
    );
  });

  it('any bytes: taken or refused, never anything else', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...'{}[]",:\\0 ', 'messages', '"payload":', '"text":', '{"messages":[', '\u0000', 'é'),
    });
    fc.assert(
      fc.property(letters, (text) => {
        refusal(() => json(text));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a msgpack batch', () => {
  const read = (body: Uint8Array) => taken(body, readMsgpackBatch);

  it('becomes what the same JSON becomes', () => {
    const key = fc.string().filter((name) => name !== '__proto__' && name.isWellFormed());
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(null, true, false),
        fc.integer(),
        fc.string({ unit: 'grapheme' }),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(key, tie('any'), { maxKeys: 3 }),
      ),
    })).any;
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 3 }), fc.string({ unit: 'grapheme' }), (values, id) => {
        const batch = { messages: values.map((payload) => ({ payload, id, headers: { h: id } })), atomic: true };
        const got = read(encode(batch));
        expect(got).toEqual({ ...json(JSON.stringify(batch)), messages: got.messages });
        expect(got.messages.map((message) => JSON.parse(message.payload))).toEqual(values);
      }),
    );
  });

  it('keeps 64-bit numbers, and bytes as bytes', () => {
    const { messages } = read(
      encode({ messages: [{ payload: { n: 2n ** 63n, m: -(2n ** 63n) } }, { payload: bytesOf('raw') }] }, { useBigInt64: true }),
    );
    expect(messages.map(({ payload, contentType }) => [payload, contentType])).toEqual([
      ['{"n":9223372036854775808,"m":-9223372036854775808}', 'application/json'],
      ['raw', undefined],
    ]);
  });

  it('what JSON has no word for is refused', () => {
    for (const payload of [Number.NaN, Number.POSITIVE_INFINITY, { a: bytesOf('x') }, new Date(0)])
      expect(refusal(() => read(encode({ messages: [{ payload }] })))?.code).toBe('INVALID_REQUEST');
  });

  it('lengths that lie, cut bytes, deep nesting and texts that are no UTF-8 are found before anything is decoded', () => {
    const good = encode({ messages: [{ text: 'a' }] });
    for (let length = 0; length < good.length; length++)
      expect(msgpackFault(good.slice(0, length)), `${length} bytes`).toBeTypeOf('string');
    const bad = [
      [0xc1],
      [0xdd, 255, 255, 255, 255],
      [0xdf, 255, 255, 255, 255],
      [0xc6, 255, 255, 255, 255],
      [0xdb, 255, 255, 255, 255],
      [...good, 0],
      Array(100_000).fill(0x91),
      [0xa1, 0xff],
      [0xd4, 1, 1],
      [0xc7, 1, 1, 1],
    ];
    for (const bytes of bad) expect(msgpackFault(Uint8Array.from(bytes))).toBeTypeOf('string');
    expect(msgpackFault(good)).toBeUndefined();
  });

  it('any bytes: taken or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        refusal(() => read(bytes));
      }),
      { numRuns: 20_000 },
    );
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});
