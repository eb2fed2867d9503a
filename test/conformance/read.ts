/** §5, without a group: pages, cursors, waiting, events. */
import type { Check, Context } from './checks.ts';
import { RECORDS_TYPE } from './client.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import type { Message } from './station.ts';
import { sequences, texts, upTo } from './station.ts';
import { payloadsOf } from './wsr1.ts';

interface Event {
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly data: Message;
}

/** Follows a station; `take` gives the next events, `close` goes away. */
async function follow(t: Context, path: string, headers: Record<string, string> = {}) {
  const gone = new AbortController();
  t.defer(async () => gone.abort());
  const response = await t.client.open('GET', path, { headers: { accept: 'text/event-stream', ...headers }, signal: gone.signal });
  equal([response.status, response.headers.get('content-type')], [200, 'text/event-stream'], 'the answer');
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  const next = async (): Promise<Event> => {
    for (;;) {
      const end = rest.indexOf('\n\n');
      if (end >= 0) {
        const lines = rest.slice(0, end).split(/\r\n|\r|\n/);
        rest = rest.slice(end + 2);
        const field = (name: string): string | undefined => {
          const values = lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
          return values.length === 0 ? undefined : values.join('\n');
        };
        const data = field('data');
        if (data !== undefined) return { id: field('id'), name: field('event'), data: JSON.parse(data) };
        continue;
      }
      const { done, value } = await reader.read();
      ok(!done, 'the stream goes on');
      rest += value;
    }
  };
  return {
    async take(count: number): Promise<Event[]> {
      const events: Event[] = [];
      while (events.length < count) events.push(await next());
      return events;
    },
    close: () => gone.abort(),
  };
}

export const read: Check[] = [
  {
    name: 'page by page: every message once, in order, end is told at the end',
    async run(t) {
      const s = await t.station();
      await s.fill(25);
      const seen: Message[] = [];
      for (let query = 'from=start&limit=10'; ; ) {
        const page = await s.read(query);
        seen.push(...page.messages);
        if (page.end) break;
        equal(page.messages.length, 10, 'a full page');
        query = `cursor=${page.cursor}&limit=10`;
      }
      equal(sequences(seen), upTo(25), 'sequences');
    },
  },
  {
    name: 'all partitions with one cursor: each message once, each partition in order',
    async run(t) {
      const s = await t.station({ partitions: 3 });
      await s.batch(upTo(90).map((n) => ({ text: `m${n}`, key: `k${n % 10}` })));
      const seen = await s.all('from=start&limit=7');
      equal(new Set(texts(seen)).size, 90, 'different messages');
      for (const partition of [0, 1, 2]) {
        const own = sequences(seen.filter((message) => message.partition === partition));
        equal(own, upTo(own.length), `sequences of partition ${partition}`);
      }
    },
  },
  {
    name: 'from a sequence, from the end, from a time',
    async run(t) {
      const s = await t.station();
      await s.fill(2);
      const [first] = (await s.read()).messages;
      await t.pause(10);
      await s.produce('late');
      const late = (await s.read('from=3')).messages[0]!;
      equal(texts((await s.read('from=2')).messages), ['m2', 'late'], 'from 2');
      has(await s.read('from=end'), { messages: [], end: true }, 'from the end');
      equal(texts((await s.read(`from=time:${late.producedAt}`)).messages), ['late'], "from the last one's time");
      equal((await s.read(`from=time:${first!.producedAt}`)).messages.length, 3, "from the first one's time");
      has(await s.read(`from=time:${late.producedAt + 3_600_000}`), { messages: [] }, 'from a time to come');
    },
  },
  {
    name: 'a cursor stands: what comes after it is what comes next, also after a purge',
    async run(t) {
      const s = await t.station();
      await s.fill(4);
      const { cursor } = await s.read('from=start&limit=2');
      await s.produce('m5');
      equal(texts((await s.read(`cursor=${cursor}`)).messages), ['m3', 'm4', 'm5'], 'after the cursor');
      await t.post(`${s.path}/purge`, { json: { upTo: 4 } });
      equal(texts((await s.read(`cursor=${cursor}`)).messages), ['m5'], 'after the purge');
    },
  },
  {
    name: 'a wait ends when a message comes, and with nothing when none does',
    async run(t) {
      const s = await t.station();
      const { cursor } = await s.read('from=end');
      const waiting = s.read(`cursor=${cursor}&waitMs=10000`);
      await s.produce('now');
      equal(texts((await waiting).messages), ['now'], 'what was waited for');
      const began = Date.now();
      has(await s.read('from=end&waitMs=200'), { messages: [], end: true }, 'nothing');
      ok(Date.now() - began >= 180, 'not before the wait is over', Date.now() - began);
    },
  },
  {
    name: 'maxBytes bounds a page, but one message always comes',
    async run(t) {
      const s = await t.station();
      for (const _ of upTo(3)) await s.produce('x'.repeat(1000));
      equal((await s.read('from=start&maxBytes=10')).messages.length, 1, 'in 10 bytes');
      equal((await s.read('from=start&maxBytes=2500')).messages.length, 2, 'in 2,500 bytes');
    },
  },
  {
    name: 'as=base64 gives every message so',
    async run(t) {
      const s = await t.station();
      await s.batch([{ text: 'a' }, { payload: 1 }]);
      equal(
        (await s.read('from=start&as=base64')).messages.map(({ base64 }) => base64),
        ['YQ==', 'MQ=='],
        'messages',
      );
    },
  },
  {
    name: 'as records: batches with their CRC, their places and the cursor in headers',
    async run(t) {
      const s = await t.station();
      await s.fill(3);
      await s.produce('single', { 'message-key': 'k' });
      const answer = status(await t.get(`${s.path}/messages?from=start`, { headers: { accept: RECORDS_TYPE } }), 200);
      equal(payloadsOf(answer.bytes), ['m1', 'm2', 'm3', 'single'], 'payloads');
      const blocks = (answer.header('wayside-blocks') ?? '').split(', ').map((block) => block.split('.').map(Number));
      let next = 1;
      for (const [partition, first, count] of blocks) {
        equal([partition, first], [0, next], 'a block follows the one before');
        next += count!;
      }
      equal([next, answer.header('wayside-end')], [5, 'true'], 'the end');
      await s.produce('later');
      equal(texts((await s.read(`cursor=${answer.header('wayside-cursor')}`)).messages), ['later'], 'after its cursor');
    },
  },
  {
    name: 'one message: 404 where there never was one, 410 where it was',
    async run(t) {
      const s = await t.station();
      await s.fill(2);
      refused(await s.one(3), 404, 'MESSAGE_NOT_FOUND');
      refused(await s.one(1, 1), 400, 'INVALID_REQUEST', 'a partition that the station has not');
      await t.post(`${s.path}/purge`);
      refused(await s.one(2), 410, 'MESSAGE_TRIMMED');
    },
  },
  {
    name: 'a raw message cannot run in a browser: no sniffing, a sandbox',
    async run(t) {
      const s = await t.station();
      await s.produce('<script>1</script>', { 'content-type': 'text/html' });
      const answer = await s.one(1);
      equal(
        [answer.header('x-content-type-options'), /sandbox/.test(answer.header('content-security-policy') ?? '')],
        ['nosniff', true],
        'headers',
      );
    },
  },
  {
    name: 'events: what is there, then what comes; the id goes on where it ended',
    async run(t) {
      const s = await t.station();
      await s.fill(2);
      const live = await follow(t, `${s.path}/messages?from=start`);
      const before = await live.take(2);
      const coming = live.take(2);
      await s.produce('m3');
      await s.produce('m4');
      equal(
        [...before, ...(await coming)].map(({ data }) => data.text),
        ['m1', 'm2', 'm3', 'm4'],
        'events',
      );
      live.close();
      await s.produce('m5');
      const again = await follow(t, `${s.path}/messages?from=start`, { 'last-event-id': before[1]!.id ?? '' });
      equal(
        (await again.take(3)).map(({ data }) => data.text),
        ['m3', 'm4', 'm5'],
        'after the id',
      );
    },
  },
  {
    name: 'events of a station that is not there are 404; of one that goes, an event says so',
    async run(t) {
      refused(
        await t.get('/v1/stations/never-made/messages?from=start', { headers: { accept: 'text/event-stream' } }),
        404,
        'STATION_NOT_FOUND',
      );
      const s = await t.station();
      await s.produce('a');
      const live = await follow(t, `${s.path}/messages?from=start`);
      await live.take(1);
      const last = live.take(1);
      await s.remove();
      const [event] = await last;
      equal([event!.name, (event!.data as unknown as { code: string }).code], ['problem', 'STATION_NOT_FOUND'], 'the event');
    },
  },
  {
    name: 'a payload of several lines stays one event',
    async run(t) {
      const s = await t.station();
      await s.produce('{\n "a":\r\n 1\n}', { 'content-type': 'application/json' });
      await s.produce('two\n\nlines');
      const live = await follow(t, `${s.path}/messages?from=start`);
      const [json, text] = await live.take(2);
      equal([json?.data.payload, text?.data.text], [{ a: 1 }, 'two\n\nlines'], 'the messages');
    },
  },
];
