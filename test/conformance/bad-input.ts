/**
 * §2 and §8: every call that takes a body or a parameter, with everything that may be wrong about it. Each refusal has
 * its code, stores nothing, and leaves the broker well.
 */
import type { Check, Context } from './checks.ts';
import type { CallOptions } from './client.ts';
import { equal, ok, refused, status } from './expect.ts';
import type { Station } from './station.ts';

interface Place {
  readonly s: Station;
  readonly receipt: string;
}

interface Call {
  readonly name: string;
  readonly method: string;
  readonly path: (place: Place) => string;
  /** A body that would be taken. */
  readonly body: (place: Place) => Record<string, unknown>;
  /** The field whose type is made wrong, and one of a wrong value. */
  readonly field: string;
  readonly wrong: unknown;
  /** What it may hold at most; the code above it. */
  readonly limit: { readonly bytes: number; readonly code: string };
}

const CONTROL = { bytes: 2 * 1024 * 1024, code: 'MESSAGE_TOO_LARGE' };

const CALLS: Call[] = [
  {
    name: 'PUT a station',
    method: 'PUT',
    path: ({ s }) => `/v1/stations/${s.name}-new`,
    body: () => ({ partitions: 1 }),
    field: 'partitions',
    wrong: '1',
    limit: CONTROL,
  },
  {
    name: 'PATCH a station',
    method: 'PATCH',
    path: ({ s }) => s.path,
    body: () => ({ dedupWindowMs: 5 }),
    field: 'dedupWindowMs',
    wrong: -1,
    limit: CONTROL,
  },
  {
    name: 'purge',
    method: 'POST',
    path: ({ s }) => `${s.path}/purge`,
    body: () => ({ upTo: 1 }),
    field: 'upTo',
    wrong: 1.5,
    limit: CONTROL,
  },
  {
    name: 'a batch',
    method: 'POST',
    path: ({ s }) => `${s.path}/messages/batch`,
    body: () => ({ messages: [{ text: 'a' }] }),
    field: 'messages',
    wrong: {},
    limit: { bytes: 17 * 1024 * 1024, code: 'BATCH_TOO_LARGE' },
  },
  {
    name: 'PUT a group',
    method: 'PUT',
    path: ({ s }) => `${s.path}/groups/new`,
    body: () => ({ leaseMs: 5_000 }),
    field: 'leaseMs',
    wrong: 999,
    limit: CONTROL,
  },
  {
    name: 'PATCH a group',
    method: 'PATCH',
    path: ({ s }) => `${s.path}/groups/g`,
    body: () => ({ leaseMs: 5_000 }),
    field: 'leaseMs',
    wrong: true,
    limit: CONTROL,
  },
  {
    name: 'fetch',
    method: 'POST',
    path: ({ s }) => `${s.path}/groups/g/fetch`,
    body: () => ({ consumer: 'c' }),
    field: 'consumer',
    wrong: 7,
    limit: CONTROL,
  },
  ...['ack', 'nack', 'extend', 'reject'].map(
    (verb): Call => ({
      name: verb,
      method: 'POST',
      path: ({ s }) => `${s.path}/groups/g/${verb}`,
      body: ({ receipt }) => ({ receipts: [receipt] }),
      field: 'receipts',
      wrong: 'one',
      limit: CONTROL,
    }),
  ),
  {
    name: 'seek',
    method: 'POST',
    path: ({ s }) => `${s.path}/groups/g/seek`,
    body: () => ({ to: 'end' }),
    field: 'to',
    wrong: 'middle',
    limit: CONTROL,
  },
  {
    name: 'redrive',
    method: 'POST',
    path: ({ s }) => `${s.path}/dead-letters/redrive`,
    body: () => ({ all: true }),
    field: 'all',
    wrong: false,
    limit: CONTROL,
  },
];

const JSON_TYPE = { 'content-type': 'application/json' };
const text = (value: unknown): string => JSON.stringify(value);
const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
const letters = (count: number): Uint8Array<ArrayBuffer> => new Uint8Array(count).fill(0x20);

/** What may be wrong with a body, as options of the call and the code that it gets. */
const FAULTS: { name: string; code?: string; status?: number; options: (call: Call, place: Place) => CallOptions }[] = [
  { name: 'an unknown field', options: ({ body }, place) => ({ json: { ...body(place), colour: 1 } }) },
  { name: 'a field of a wrong type', options: ({ body, field }, place) => ({ json: { ...body(place), [field]: { nested: [1] } } }) },
  { name: 'a wrong value', options: ({ body, field, wrong }, place) => ({ json: { ...body(place), [field]: wrong } }) },
  {
    name: 'null where a value belongs',
    options: ({ body, field, method }, place) => ({ json: method === 'PATCH' ? null : { ...body(place), [field]: null } }),
  },
  { name: 'half of a JSON text', options: ({ body }, place) => ({ body: text(body(place)).slice(0, -1), headers: JSON_TYPE }) },
  { name: 'two JSON texts', options: ({ body }, place) => ({ body: text(body(place)).repeat(2), headers: JSON_TYPE }) },
  { name: 'a list instead of an object', options: ({ body }, place) => ({ json: [body(place)] }) },
  {
    name: 'bytes that are not UTF-8',
    options: () => ({ body: Uint8Array.of(0x7b, 0x22, 0xff, 0xc0, 0x22, 0x3a, 0x31, 0x7d), headers: JSON_TYPE }),
  },
  {
    name: 'a field named __proto__',
    options: ({ body }, place) => ({ body: `{"__proto__":{"polluted":true},${text(body(place)).slice(1)}`, headers: JSON_TYPE }),
  },
  {
    name: 'a field named constructor',
    options: ({ body }, place) => ({ json: { ...body(place), constructor: { prototype: { polluted: true } } } }),
  },
  { name: 'JSON 100,000 levels deep', options: ({ field }) => ({ body: `{"${field}":${deep(100_000)}}`, headers: JSON_TYPE }) },
  {
    name: 'another content type',
    code: 'UNSUPPORTED_MEDIA_TYPE',
    status: 415,
    options: ({ body }, place) => ({ body: text(body(place)), headers: { 'content-type': 'text/plain' } }),
  },
  {
    name: 'a compressed body',
    code: 'UNSUPPORTED_MEDIA_TYPE',
    status: 415,
    options: ({ body }, place) => ({ json: body(place), headers: { 'content-encoding': 'gzip' } }),
  },
  {
    name: 'too many bytes, said before',
    code: 'too large',
    status: 413,
    options: ({ limit }) => ({ body: letters(limit.bytes), headers: JSON_TYPE }),
  },
  {
    name: 'too many bytes, without a length',
    code: 'too large',
    status: 413,
    options: ({ limit }) => ({ body: new Blob([letters(limit.bytes)]).stream(), headers: JSON_TYPE }),
  },
  { name: 'an unknown parameter in the query', options: ({ body }, place) => ({ json: body(place) }) },
];

const routes = CALLS.flatMap((call) =>
  FAULTS.map(
    ({ name, code = 'INVALID_REQUEST', status: expected = 400, options }): Check => ({
      name: `${call.name}: ${name} is ${expected} and changes nothing`,
      async run(t) {
        const place = await prepared(t);
        const before = await everything(t, place.s);
        const query = name.includes('query') ? '?colour=1' : '';
        const answer = await t.call(call.method, call.path(place) + query, options(call, place));
        refused(answer, expected, code === 'too large' ? call.limit.code : code);
        equal(await everything(t, place.s), before, 'the station');
        ok(({} as { polluted?: boolean }).polluted === undefined, 'no prototype is touched');
        status(await t.get('/v1/health'), 200, 'health');
      },
    }),
  ),
);

/** A station with a group, a message that is leased, and one that is dead. */
async function prepared(t: Context): Promise<Place> {
  const s = await t.station();
  const g = s.group();
  await s.fill(3);
  const [dead, leased] = await g.take(2);
  await g.settle('reject', dead!);
  return { s, receipt: leased!.receipt };
}

async function everything(t: Context, s: Station): Promise<unknown> {
  const { members: _, ...group } = await s.group().info();
  const { items } = status(await t.get(`${s.path}/groups`), 200).json;
  return { station: await s.info(), group, groups: items.length, letters: (await s.letters()).length, messages: await s.all() };
}

/** Names as they stand in a path: each is refused wherever a name may stand. */
const NAMES: Record<string, string> = {
  'a leading dot': '.hidden',
  'a slash': 'a%2fb',
  'a backslash': 'a%5cb',
  'a way up': '..%2f..%2fetc%2fpasswd',
  NUL: 'a%00b',
  'a space': 'a%20b',
  'a line break': 'a%0d%0ab',
  '129 letters': 'x'.repeat(129),
  'letters beyond ASCII': 'gr%C3%BC%C3%9Fe',
  'a percent sign': 'a%25b',
  'a percent sign that encodes once more': '%252e%252e',
  'a star': 'a*b',
  'a colon': 'con%3a',
  'bytes that are not UTF-8': 'a%ff',
};

/** `fetch` resolves these before they leave: they go as bytes. */
const CLIMBING: Record<string, string> = {
  'a dot': '%2e',
  'two dots': '%2e%2e',
  'two dots, half encoded': '.%2e',
  'half an escape': 'a%2',
};

const names: Check[] = [
  ...Object.entries(NAMES).map(
    ([what, name]): Check => ({
      name: `a name with ${what} is INVALID_NAME: station, group, consumer, namespace`,
      async run(t) {
        const s = await t.station();
        await s.produce('a');
        refused(await t.put(`/v1/stations/${name}`), 400, 'INVALID_NAME', 'a station');
        refused(await t.get(`/v1/stations/${name}`), 400, 'INVALID_NAME', 'a station, read');
        refused(await t.post(`/v1/stations/${name}/messages`, { body: 'a' }), 400, 'INVALID_NAME', 'a station, produced to');
        refused(await t.put(`${s.path}/groups/${name}`), 400, 'INVALID_NAME', 'a group');
        refused(await t.post(`${s.path}/groups/${name}/fetch`, { json: { consumer: 'c' } }), 400, 'INVALID_NAME', 'a group, fetched from');
        refused(await t.post(`${s.path}/groups/g/next?consumer=${name}`), 400, 'INVALID_NAME', 'a consumer in the query');
        refused(await t.put(`/v1/namespaces/${name}/stations/s`), 400, 'INVALID_NAME', 'a namespace');
        if (!name.includes('%ff'))
          refused(
            await s.group().ask('fetch', { consumer: decodeURIComponent(name) }),
            400,
            ['INVALID_NAME', 'INVALID_REQUEST'],
            'a consumer',
          );
        equal(status(await t.get(`${s.path}/groups`), 200).json.items, [], 'groups');
      },
    }),
  ),
  ...Object.entries(CLIMBING).map(
    ([what, name]): Check => ({
      name: `a name of ${what} leads nowhere else, as a station and as a group`,
      needs: ['raw', 'paths'],
      async run(t) {
        const s = await t.station();
        await s.produce('a');
        const post = (path: string) =>
          t.raw([`POST ${path} HTTP/1.1`, 'Content-Length: 2', 'Content-Type: application/json'], new TextEncoder().encode('{}'));
        refused(await t.raw([`PUT /v1/stations/${name} HTTP/1.1`, 'Content-Length: 0']), 400, 'INVALID_NAME', 'a station');
        refused(await post(`/v1/stations/${name}/purge`), 400, 'INVALID_NAME', 'a purge');
        refused(await t.raw([`PUT ${s.path}/groups/${name} HTTP/1.1`, 'Content-Length: 0']), 400, 'INVALID_NAME', 'a group');
        refused(await post(`${s.path}/groups/${name}/purge`), 404, ['NOT_FOUND'], 'a purge through a group');
        await s.stored(['a']);
      },
    }),
  ),
  {
    name: 'an empty name is no name: nothing is there (404)',
    async run(t) {
      refused(await t.put('/v1/stations/'), 404, 'NOT_FOUND');
      refused(await t.post('/v1/stations//messages', { body: 'a' }), 404, 'NOT_FOUND');
      const s = await t.station();
      refused(await t.post(`${s.path}/groups/g/next?consumer=`), 400, 'INVALID_NAME');
      refused(await s.group().ask('fetch', { consumer: '' }), 400, ['INVALID_NAME', 'INVALID_REQUEST']);
    },
  },
  {
    name: 'names of JavaScript, of folders and of devices are names like any other, compared exactly',
    async run(t) {
      const own = ['__proto__', 'constructor', 'toString', 'CON', 'con', 'NUL', 'lock', 'x'.repeat(128), '-', '_', '0', 'a..b'];
      for (const name of own) {
        t.defer(() => t.delete(`/v1/namespaces/odd/stations/${name}`));
        status(await t.put(`/v1/namespaces/odd/stations/${name}`), 201, name);
      }
      const { items } = status(await t.get('/v1/namespaces/odd/stations?limit=100'), 200).json;
      equal(items.map(({ name }: { name: string }) => name).sort(), [...own].sort(), 'the list');
      const s = await t.station();
      await s.produce('a');
      for (const name of ['__proto__', 'constructor', 'hasOwnProperty'])
        equal((await s.group(name).take(1, { consumer: name }))[0]?.text, 'a', name);
    },
  },
];

const BAD_NUMBERS = ['-1', '1.5', '1e3', '0x10', '+1', '%201', '', 'NaN', 'null', '9007199254740993', '99999999999999999999', '١'];

const numbers: Check[] = [
  ...(
    [
      ['read limit', 'GET', '/messages?from=start&limit='],
      ['read maxBytes', 'GET', '/messages?from=start&maxBytes='],
      ['read waitMs', 'GET', '/messages?from=start&waitMs='],
      ['read partition', 'GET', '/messages?from=start&partition='],
      ['read from', 'GET', '/messages?from='],
      ['read from a time', 'GET', '/messages?from=time:'],
      ['list of groups, limit', 'GET', '/groups?limit='],
      ['dead letters, limit', 'GET', '/dead-letters?limit='],
      ['produce partition', 'POST', '/messages?partition='],
      ['batch partition', 'POST', '/messages/batch?partition='],
      ['next waitMs', 'POST', '/groups/g/next?consumer=c&waitMs='],
      ['next leaseMs', 'POST', '/groups/g/next?consumer=c&leaseMs='],
    ] as const
  ).map(
    ([what, method, query]): Check => ({
      name: `${what}: negative, fractional, huge, empty and other spellings of a number are 400`,
      async run(t) {
        const s = await t.station();
        await s.produce('a');
        for (const bad of BAD_NUMBERS) {
          const answer = await t.call(
            method,
            `${s.path}${query}${bad}`,
            method === 'GET' ? {} : { body: '{"messages":[{"text":"x"}]}', headers: JSON_TYPE },
          );
          refused(answer, 400, 'INVALID_REQUEST', bad);
        }
        await s.stored(['a']);
      },
    }),
  ),
  {
    name: 'a partition or sequence in a path that is no number is 400',
    async run(t) {
      const s = await t.station();
      for (const bad of BAD_NUMBERS.filter((text) => text !== '')) {
        refused(await t.get(`${s.path}/partitions/${bad}/messages/1`), 400, 'INVALID_REQUEST', bad);
        refused(await t.get(`${s.path}/partitions/0/messages/${bad}`), 400, 'INVALID_REQUEST', bad);
      }
      refused(await t.get(`${s.path}/partitions/0/messages/0`), 400, 'INVALID_REQUEST');
    },
  },
  {
    name: 'headers with numbers: Expected-Sequence, delays and producers take plain digits',
    async run(t) {
      const s = await t.station();
      for (const bad of ['-1', '1.5', '1e3', 'x', '0', '9007199254740993', '0x1']) {
        refused(await s.send('a', { 'expected-sequence': bad }), 400, 'INVALID_REQUEST', bad);
        if (bad !== '0') refused(await s.send('a', { 'message-delay-ms': bad }), 400, 'INVALID_REQUEST', bad);
        refused(await s.send('a', { 'producer-id': 'p', 'producer-epoch': '1', 'producer-sequence': bad }), 400, 'INVALID_REQUEST', bad);
      }
      refused(await s.send('a', { 'producer-id': 'p' }), 400, 'INVALID_REQUEST', 'a third of a producer');
      await s.stored([]);
    },
  },
  {
    name: 'numbers in a body: each field at both ends of what it takes, and one step beyond',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make();
      const beyond: [string, object][] = [
        ...[0, 257, 1.5, -1, 2 ** 53].map((partitions): [string, object] => ['station', { partitions }]),
        ...[-1, 0.5, 604_800_001].map((dedupWindowMs): [string, object] => ['station', { dedupWindowMs }]),
        ...[0, 1_048_577].map((maxMessageBytes): [string, object] => ['station', { maxMessageBytes }]),
        ...[0, -5].flatMap((value): [string, object][] =>
          ['maxAgeMs', 'maxMessages', 'maxBytes'].map((name) => ['station', { retention: { [name]: value } }]),
        ),
        ...[999, 43_200_001].flatMap((leaseMs): [string, object][] => [
          ['fetch', { consumer: 'c', leaseMs }],
          ['group', { leaseMs }],
          ['extend', { receipts: [], leaseMs }],
        ]),
        ...[0, 10_001].map((max): [string, object] => ['fetch', { consumer: 'c', max }]),
        ...[-1, 30_001].map((waitMs): [string, object] => ['fetch', { consumer: 'c', waitMs }]),
        ...[0, -1].map((maxDeliveries): [string, object] => ['group', { maxDeliveries }]),
        ...[-1, 0.1].map((delayMs): [string, object] => ['nack', { receipts: [], delayMs }]),
        ...[0, -1, 1.5, '0', '-1', 'time:', 'time:-1', 'now', '', null, 2 ** 53].map((to): [string, object] => ['seek', { to }]),
      ];
      for (const [where, body] of beyond) {
        const answer =
          where === 'station'
            ? await t.put(`${s.path}-x`, { json: body })
            : where === 'group'
              ? await t.put(`${s.path}/groups/x`, { json: body })
              : await g.ask(where, body);
        refused(answer, 400, 'INVALID_REQUEST', `${where} ${JSON.stringify(body)}`);
      }
      status(await g.ask('fetch', { consumer: 'c', max: 10_000, leaseMs: 43_200_000, waitMs: 0 }), 200, 'the ends');
      status(await t.put(`${s.path}/groups/y`, { json: { leaseMs: 1_000, maxDeliveries: 1_000_000 } }), 201, 'the ends');
    },
  },
  {
    name: 'numbers that JSON can write and no double can hold are refused (1e999)',
    async run(t) {
      const s = await t.station();
      refused(
        await t.post(`${s.path}/groups/g/fetch`, { body: '{"consumer":"c","max":1e999}', headers: JSON_TYPE }),
        400,
        'INVALID_REQUEST',
      );
      refused(await t.post(`${s.path}/purge`, { body: '{"upTo":9007199254740993}', headers: JSON_TYPE }), 400, 'INVALID_REQUEST');
    },
  },
];

const others: Check[] = [
  {
    name: 'cursors and page marks that were made up are 400, and never an error inside',
    async run(t) {
      const s = await t.station({ partitions: 2 });
      const other = await t.station();
      await other.produce('a');
      const foreign = (await other.read()).cursor;
      for (const cursor of ['', 'x', 'c1', 'c1.1.all.1', 'c9.1.all.2.3', '__proto__', '%00', 'x'.repeat(3_000), foreign]) {
        refused(await t.get(`${s.path}/messages?cursor=${cursor}`), 400, 'INVALID_REQUEST', cursor);
        if (cursor !== '' && cursor !== '%00')
          refused(
            await t.get(`${s.path}/messages`, { headers: { accept: 'text/event-stream', 'last-event-id': cursor } }),
            400,
            'INVALID_REQUEST',
            cursor,
          );
      }
      refused(await t.get(`${s.path}/messages?from=start&cursor=x`), 400, 'INVALID_REQUEST', 'both');
      refused(await t.get(`${s.path}/messages?from=start&from=end`), 400, 'INVALID_REQUEST', 'twice');
    },
  },
  {
    name: 'message headers: a broken escape, bytes that are not UTF-8, an empty id are 400',
    async run(t) {
      const s = await t.station();
      for (const value of ['%', '%2', '%zz', '%ff', '%c3%28', '%ed%a0%80'])
        refused(await s.send('a', { 'message-header-x': value }), 400, 'INVALID_REQUEST', value);
      for (const name of ['idempotency-key', 'message-key']) {
        refused(await s.send('a', { [name]: '' }), 400, 'INVALID_REQUEST', name);
        refused(await s.send('a', { [name]: '\u00ff' }), 400, 'INVALID_REQUEST', name);
      }
      const large = Object.fromEntries(Array.from({ length: 3 }, (_, n) => [`message-header-h${n}`, 'x'.repeat(6_000)]));
      const answer = await s.send('a', large);
      ok(answer.status === 413 || answer.status === 400, 'more than 16 KiB of headers are refused', String(answer));
      await s.stored([]);
    },
  },
  {
    name: 'messages of a batch: none, two forms at once, no form, broken base64, half a surrogate pair, unknown fields',
    async run(t) {
      const s = await t.station();
      const bad = [
        {},
        { payload: 1, text: 'a' },
        { text: 1 },
        { base64: '***' },
        { base64: 'A' },
        { text: '\ud800' },
        { text: 'a', key: 1 },
        { text: 'a', headers: [] },
        { text: 'a', headers: { a: 1 } },
        { text: 'a', colour: 1 },
        null,
        'a',
        [],
      ];
      for (const message of bad) refused(await s.sendBatch([{ text: 'good' }, message]), 400, 'INVALID_REQUEST', JSON.stringify(message));
      refused(await s.sendBatch([]), 400, 'INVALID_REQUEST', 'none');
      await s.stored([]);
    },
  },
  {
    name: 'msgpack that is none, that lies about its lengths, or nests too deep is 400 at once',
    async run(t) {
      const s = await t.station();
      const bodies: Record<string, number[]> = {
        nothing: [],
        'a number': [1],
        'a map of 4 thousand million': [0xdf, 0xff, 0xff, 0xff, 0xff],
        'a list of 4 thousand million messages': [0x81, 0xa8, ...new TextEncoder().encode('messages'), 0xdd, 0xff, 0xff, 0xff, 0xff],
        'a text longer than the body': [0x81, 0xdb, 0xff, 0xff, 0xff, 0xff],
        'a type that is not used': [0xc1],
        'deep nesting': Array(100_000).fill(0x91),
        'something after its end': [0x80, 0x80],
        'a field named __proto__': [0x81, 0xa9, ...new TextEncoder().encode('__proto__'), 0x80],
      };
      for (const [what, bytes] of Object.entries(bodies)) {
        const began = Date.now();
        refused(
          await t.post(`${s.path}/messages/batch`, { body: Uint8Array.from(bytes), headers: { 'content-type': 'application/msgpack' } }),
          400,
          'INVALID_REQUEST',
          what,
        );
        ok(Date.now() - began < 2_000, 'answered at once', what);
      }
      await s.stored([]);
    },
  },
  {
    name: 'a path of nothing is 404, a method that is none of its own is 405 with Allow',
    async run(t) {
      const s = await t.station();
      for (const path of ['/v1/nothing', '/v1', '/v2/stations', `${s.path}/messages/1/2`, `${s.path}/Messages`])
        refused(await t.get(path), 404, 'NOT_FOUND', path);
      const answer = await t.delete(`${s.path}/messages`);
      refused(answer, 405, 'METHOD_NOT_ALLOWED');
      ok(/GET/.test(answer.header('allow') ?? '') && /POST/.test(answer.header('allow') ?? ''), 'Allow', answer.header('allow'));
    },
  },
  {
    name: 'requests that HTTP itself refuses get an answer or the end of the connection, and the broker goes on',
    needs: ['raw', 'http'],
    async run(t) {
      const s = await t.station();
      const heads = [
        ['nonsense'],
        ['GET / HTTP/9.9'],
        [`GET ${s.path} HTTP/1.1`, 'Bad Header: x'],
        [`POST ${s.path}/messages HTTP/1.1`, 'Content-Length: -1'],
        [`POST ${s.path}/messages HTTP/1.1`, 'Content-Length: 3', 'Transfer-Encoding: chunked'],
        [`GET ${s.path} HTTP/1.1`, `X: ${'x'.repeat(200_000)}`],
      ];
      for (const head of heads) {
        const answer = await t.raw(head);
        ok(answer.status === 0 || (answer.status >= 400 && answer.status < 500), 'refused', String(answer));
      }
      await s.stored([]);
      status(await t.get('/v1/health'), 200);
    },
  },
  {
    name: 'a body that breaks off stores nothing',
    needs: ['raw'],
    async run(t) {
      const s = await t.station();
      const answer = await t.raw(
        [`POST ${s.path}/messages HTTP/1.1`, 'Content-Length: 100', 'X-Break-Off: 1'],
        new TextEncoder().encode('half'),
      );
      ok(answer.status === 0 || answer.status === 400, 'no answer, or a refusal', String(answer));
      await s.stored([]);
    },
  },
];

export const badInput: Check[] = [...routes, ...names, ...numbers, ...others];
