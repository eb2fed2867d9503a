/** Each command against a real broker: what it does, says to people, says as JSON, and how it fails. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Client } from '../conformance/client.ts';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker } from '../node/_process.ts';
import type { Ran, RunOptions } from './_cli.ts';
import { ending, run, start, until } from './_cli.ts';

/** Each starts processes, on a machine that has other things to do. */
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const folder = mkdtempSync(join(tmpdir(), 'wayside-cli-'));
let broker: BrokerProcess;
let client: Client;
beforeAll(async () => {
  broker = await startBroker({ data: join(folder, 'data') });
  client = new Client(broker.base, undefined);
});
afterAll(async () => {
  await broker.kill();
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({ WAYSIDE_URL: broker.base });
const cli = (args: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  run(args, { ...options, env: { ...env(), ...options.env } });

/** Runs it, and it must succeed. */
async function done(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const ran = await cli(args, options);
  expect(ran.code, `${args.join(' ')}: ${ran.errors}`).toBe(0);
  return ran;
}

let made = 0;
/** A station of the test's own. */
async function station(...settings: string[]): Promise<string> {
  const name = `s${++made}`;
  await done(['station', 'create', name, ...settings]);
  return name;
}

async function payloads(name: string): Promise<unknown[]> {
  const { json } = await client.call('GET', `/v1/stations/${name}/messages?limit=10000`);
  return (json.messages as { text?: string; payload?: unknown }[]).map(({ text, payload }) => text ?? payload);
}

test('stations: made, listed, shown, changed, emptied, removed', async () => {
  const { out } = await done([
    'station',
    'create',
    'life',
    '--partitions',
    '2',
    '--max-age',
    '7d',
    '--max-bytes',
    '10MiB',
    '--discard',
    'refuse',
  ]);
  expect(out).toMatch(/^life\n/);
  expect(out).toMatch(/keeps +7d, 10MiB a partition, then refuses/);
  const shown = (await done(['station', 'info', 'life', '--json'])).json;
  expect(shown).toMatchObject([
    {
      name: 'life',
      partitions: 2,
      retention: { maxAgeMs: 604_800_000, maxBytes: 10_485_760, discard: 'refuse' },
      counts: [{ partition: 0 }, { partition: 1 }],
    },
  ]);
  expect(
    (await done(['station', 'create', 'life', '--partitions', '2', '--max-age', '7d', '--max-bytes', '10MiB', '--discard', 'refuse'])).code,
  ).toBe(0);
  expect(await cli(['station', 'create', 'life'])).toMatchObject({
    code: 1,
    out: '',
    errors: expect.stringMatching(/^wayside: .*\(STATION_EXISTS\)\n$/),
  });

  const listed = await done(['station', 'list']);
  expect(listed.out).toMatch(/^STATION +PARTITIONS +DURABILITY/);
  expect(listed.out).toMatch(/life +2 +synced +7d, 10MiB a partition/);
  const rows = (await done(['station', 'list', '--json'])).json;
  expect(rows.find(({ name }) => name === 'life')).toMatchObject({ partitions: 2, version: 1 });
  expect((await done(['station', 'list', '--counts'])).out).toMatch(/life +2 +0 +0 B/);

  await done(['station', 'update', 'life', '--max-age', 'none', '--until-acked', 'yes']);
  const [changed] = (await done(['station', 'info', 'life', '--json'])).json;
  expect(changed).toMatchObject({ version: 2, retention: { untilAcked: true, maxBytes: 10_485_760 } });
  expect(changed).not.toHaveProperty('retention.maxAgeMs');
  expect(await cli(['station', 'update', 'life', '--max-age', '1d', '--version', '1'])).toMatchObject({
    code: 1,
    errors: expect.stringContaining('VERSION_MISMATCH'),
  });
  expect(await cli(['station', 'update', 'life'])).toMatchObject({ code: 2 });

  await done(['produce', 'life', 'a', 'b', 'c']);
  expect((await done(['station', 'purge', 'life', '--yes'])).out).toBe('Removed 3 messages.\n');
  expect(await cli(['station', 'remove', 'life'])).toMatchObject({ code: 2, errors: expect.stringContaining('--yes') });
  expect((await done(['station', 'remove', 'life', '--yes', '--json'])).json).toEqual([{ removed: 'life' }]);
  expect(await cli(['station', 'info', 'life'])).toMatchObject({ code: 1, out: '', errors: expect.stringContaining('STATION_NOT_FOUND') });
});

test('produce: words, with key, id, headers and type', async () => {
  const name = await station();
  const { out } = await done(['produce', name, '{"total":12}', '--key', 'k', '--id', 'i-1', '--header', 'Trace=t=1']);
  expect(out).toBe(`Stored in ${name}: partition 0, sequence 1 (synced)\n`);
  expect((await done(['produce', name, '{"total":12}', '--key', 'k', '--id', 'i-1'])).out).toMatch(
    /^It was there already: partition 0, sequence 1/,
  );
  await done(['produce', name, 'text', '--content-type', 'text/markdown']);
  const { json } = await client.call('GET', `/v1/stations/${name}/messages`);
  expect(json.messages).toMatchObject([
    { sequence: 1, key: 'k', id: 'i-1', headers: { trace: 't=1' }, contentType: 'application/json', payload: { total: 12 } },
    { sequence: 2, contentType: 'text/markdown', text: 'text' },
  ]);
});

test('produce: --repeat fills in text, key and id', async () => {
  const name = await station('--partitions', '3');
  const { json } = await done(['produce', name, 'order {{i}}', '--key', 'c{{i}}', '--repeat', '2.5k', '--json']);
  expect(json).toMatchObject([{ station: name, messages: 2500, duplicates: 0, refused: 0, durability: 'synced' }]);
  const [{ partitions } = { partitions: [] }] = json as { partitions: { count: number }[] }[];
  expect(partitions.reduce((sum, { count }) => sum + count, 0)).toBe(2500);
  const texts = await payloads(name);
  expect(new Set(texts)).toEqual(new Set(Array.from({ length: 2500 }, (_, i) => `order ${i + 1}`)));
});

test('produce: lines of a pipe, of files, and files whole', async () => {
  const name = await station();
  await done(['produce', name], { input: 'one\n\ntwo\r\n{"a":1}\nlast' });
  writeFileSync(join(folder, 'lines.txt'), 'from a file\n');
  writeFileSync(join(folder, 'whole.json'), '{\n"b": 2\n}\n');
  await done(['produce', name, '--file', join(folder, 'lines.txt'), '--file', '-'], { input: 'from a pipe\n' });
  await done(['produce', name, '--file', join(folder, 'whole.json'), '--whole']);
  expect(await payloads(name)).toEqual(['one', 'two', { a: 1 }, 'last', 'from a file', 'from a pipe', { b: 2 }]);
  expect((await done(['produce', name], { input: '' })).errors).toBe('There was nothing to send.\n');
});

test('produce: CSV twice by an id is stored once', async () => {
  const name = await station('--partitions', '2');
  const file = join(folder, 'orders.csv');
  writeFileSync(file, `id,name\n${Array.from({ length: 1000 }, (_, i) => `${i},"name, ${i}"`).join('\n')}\n`);
  const once = ['produce', name, '--file', file, '--csv', '--id-field', 'id', '--key-field', 'name', '--json'];
  expect((await done(once)).json).toMatchObject([{ messages: 1000, duplicates: 0 }]);
  expect((await done(once)).json).toMatchObject([{ messages: 1000, duplicates: 1000 }]);
  const texts = await payloads(name);
  expect(texts).toHaveLength(1000);
  expect(texts).toContainEqual({ id: '7', name: 'name, 7' });
});

test('produce: what is refused is named by line, and what was before it is stored', async () => {
  const name = await station('--max-message', '100');
  const input = `ok 1\nok 2\n${'x'.repeat(200)}\nok 3\n`;
  const stopped = await cli(['produce', name], { input });
  expect(stopped.code).toBe(1);
  expect(stopped.errors).toMatch(/^wayside: Stopped at line 3 of standard input: .*MESSAGE_TOO_LARGE/);
  const before = await payloads(name);
  expect(before.slice(0, 2)).toEqual(['ok 1', 'ok 2']);
  const gone = await cli(['produce', name, '--keep-going', '--json'], { input });
  expect(gone).toMatchObject({ code: 1, json: [{ messages: 3, refused: 1 }], errors: expect.stringContaining('line 3 of standard input') });
  expect((await payloads(name)).slice(before.length)).toEqual(['ok 1', 'ok 2', 'ok 3']);
  expect(await cli(['produce', name], { input: 'fine\n{broken\n' })).toMatchObject({ code: 0 });
  expect(await cli(['produce', name, '--ndjson'], { input: '{}\n{broken\n' })).toMatchObject({
    code: 1,
    out: expect.stringContaining('Stored in'),
    errors: expect.stringMatching(/Line 2 of standard input is no JSON/),
  });
});

test('produce: a station that is not there is said at once, and --create makes it', async () => {
  expect(await cli(['produce', 'nowhere', 'x'])).toMatchObject({ code: 1, out: '', errors: expect.stringContaining('STATION_NOT_FOUND') });
  await done(['produce', 'somewhere', 'x', '--create']);
  await done(['produce', 'somewhere', 'y', '--create']);
  expect(await payloads('somewhere')).toEqual(['x', 'y']);
});

test('produce: interrupted, it says how much is stored, and that is there', async () => {
  const name = await station();
  const child = start(['produce', name, 'm {{i}}', '--repeat', '1M', '--rate', '500', '--json'], { env: env() });
  const ended = ending(child);
  await vi.waitFor(async () => expect((await client.call('GET', `/v1/stations/${name}`)).json.messages).toBeGreaterThan(20), {
    timeout: 20_000,
  });
  child.kill('SIGINT');
  const { code, json } = await ended;
  expect(code).toBe(130);
  expect(json).toMatchObject([{ interrupted: true, refused: 0 }]);
  expect(json[0]?.messages).toBe((await client.call('GET', `/v1/stations/${name}`)).json.messages);
});

test('consume: printed and acked, so that the next one gets what comes after', async () => {
  const name = await station();
  await done(['produce', name, '{"n":1.50}', 'two', 'three']);
  const first = await done(['consume', name, '--group', 'g', '--max', '2', '--json']);
  expect(first.json).toMatchObject([
    { sequence: 1, deliveries: 1, payload: { n: 1.5 } },
    { sequence: 2, text: 'two' },
  ]);
  expect(first.out).toContain('{"n":1.50}');
  expect((await done(['consume', name, '--group', 'g'])).out).toBe('three\n');
  const last = await done(['consume', name, '--group', 'g']);
  expect([last.out, last.errors]).toEqual(['', 'g has nothing to get.\n']);
  const { json } = await client.call('GET', `/v1/stations/${name}/groups/g`);
  expect(json).toMatchObject({ unread: 0, inFlight: 0 });
});

test('consume: what was taken and not printed, or only shown, goes back uncounted', async () => {
  const name = await station();
  await done(['produce', name, 'm {{i}}', '--repeat', '50']);
  expect((await done(['consume', name, '--group', 'g', '--no-ack', '--format', '{sequence}', '--max', '3'])).out).toBe('1\n2\n3\n');
  const again = (await done(['consume', name, '--group', 'g', '--json'])).json;
  expect(again.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
});

test('consume: many messages, by a template, in order', async () => {
  const name = await station();
  await done(['produce', name, '{"i":{{i}}}', '--repeat', '5k', '--quiet']);
  const { out } = await done(['consume', name, '--group', 'g', '--format', '{payload.i}']);
  expect(out.trimEnd().split('\n')).toEqual(Array.from({ length: 5000 }, (_, i) => String(i + 1)));
});

test('consume --follow: waits for more, and Ctrl-C ends it with what was printed acked', async () => {
  const name = await station();
  const child = start(['consume', name, '--group', 'g', '--follow', '--format', 'raw'], { env: env() });
  await done(['produce', name, 'hello']);
  expect(await until(child, 'stdout', /hello\n/)).toBe('hello\n');
  const ended = ending(child);
  child.kill('SIGINT');
  expect((await ended).code).toBe(130);
  expect((await client.call('GET', `/v1/stations/${name}/groups/g`)).json).toMatchObject({ unread: 0, inFlight: 0 });
});

test('consume | head: nobody reading is an end, and what was not read comes again', async () => {
  const name = await station();
  await done(['produce', name, `${'x'.repeat(1000)}{{i}}`, '--repeat', '3000', '--quiet']);
  const child = start(['consume', name, '--group', 'g', '--follow'], { env: env() });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  await until(child, 'stdout', /x/);
  child.stdout.destroy();
  expect([await ended, errors]).toEqual([0, '']);
  const { json } = await client.call('GET', `/v1/stations/${name}/groups/g`);
  expect(json.inFlight).toBe(0);
  expect(json.unread).toBeGreaterThan(0);
});

test('consume: refused without a group, a station, or a place that is one', async () => {
  const name = await station();
  expect(await cli(['consume', name])).toMatchObject({ code: 2, errors: expect.stringContaining('--group is missing') });
  expect(await cli(['consume', 'nowhere', '--group', 'g'])).toMatchObject({
    code: 1,
    errors: expect.stringContaining('STATION_NOT_FOUND'),
  });
  expect(await cli(['consume', name, '--group', 'g', '--format', '{sequnce}'])).toMatchObject({ code: 2 });
});

test('peek: the first, the last, from a place, of a partition', async () => {
  const name = await station('--partitions', '2');
  await done(['produce', name, 'p0 {{i}}', '--repeat', '20', '--partition', '0', '--quiet']);
  await done(['produce', name, 'p1 {{i}}', '--repeat', '20', '--partition', '1', '--quiet']);
  expect((await done(['peek', name, '--partition', '0'])).out).toBe(Array.from({ length: 10 }, (_, i) => `p0 ${i + 1}\n`).join(''));
  expect((await done(['peek', name, '--last', '3'])).out).toBe('p1 18\np1 19\np1 20\n');
  expect((await done(['peek', name, '--partition', '0', '--from', '19'])).out).toBe('p0 19\np0 20\n');
  expect((await done(['peek', name, '--limit', '100', '--json'])).json).toHaveLength(40);
  expect((await done(['peek', name, '--from', '1h', '--limit', '1', '--json'])).json).toMatchObject([{ sequence: 1 }]);
  expect((await done(['peek', name, '--from', 'end'])).errors).toBe('There is nothing to show.\n');
  expect(await cli(['peek', name, '--last', '3', '--partition', '7'])).toMatchObject({ code: 2 });
  const { json } = await client.call('GET', `/v1/stations/${name}/groups`);
  expect(json.items).toEqual([]);
});

test('peek --follow: the last ones, then what comes in any partition, until Ctrl-C', async () => {
  const name = await station('--partitions', '2');
  await done(['produce', name, 'old', 'before', '--partition', '0']);
  const child = start(['peek', name, '--follow', '--last', '1'], { env: env() });
  expect(await until(child, 'stdout', /\n/)).toBe('before\n');
  const after = until(child, 'stdout', /one\ntwo\n|two\none\n/);
  await done(['produce', name, 'one', '--partition', '0']);
  await done(['produce', name, 'two', '--partition', '1']);
  expect((await after).split('\n').sort()).toEqual(['', 'one', 'two']);
  const ended = ending(child);
  child.kill('SIGINT');
  expect((await ended).code).toBe(130);
});

test('peek --follow: from now on', async () => {
  const name = await station();
  await done(['produce', name, 'before']);
  const child = start(['peek', name, '--follow', '--json'], { env: env() });
  const first = until(child, 'stdout', /\n/);
  // Its place is the end at the moment when the broker is asked, which nobody is told of: so one comes again and again.
  const produced = vi.waitFor(
    async () => {
      await client.call('POST', `/v1/stations/${name}/messages`, { body: 'after' });
      expect(await Promise.race([first, 'nothing'])).not.toBe('nothing');
    },
    { timeout: 30_000, interval: 50 },
  );
  await produced;
  expect(JSON.parse((await first).split('\n')[0] ?? '')).toMatchObject({ text: 'after' });
  const ended = ending(child);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(143);
});

test('groups: made, listed, shown, changed, moved, their leases, removed', async () => {
  const name = await station();
  await done(['produce', name, 'm {{i}}', '--repeat', '9']);
  const { out } = await done(['group', 'create', name, 'g', '--lease', '2m', '--max-deliveries', '3', '--from', '4']);
  expect(out).toMatch(/unread +6\n/);
  expect(out).toMatch(/lease +2m\n/);
  await client.call('POST', `/v1/stations/${name}/groups/g/fetch`, { json: { consumer: 'someone', max: 2 } });
  expect((await done(['group', 'list', name])).out).toMatch(/g +4 +2 +0 +1 +none/);
  expect((await done(['group', 'list', name, '--json'])).json).toMatchObject([{ name: 'g', unread: 4, inFlight: 2 }]);
  expect((await done(['group', 'info', name, 'g'])).out).toMatch(/someone +2 +/);
  expect((await done(['group', 'pending', name, 'g'])).out).toMatch(/0 +4 +someone +1 +in /);
  expect((await done(['group', 'pending', name, 'g', '--limit', '1', '--json'])).json).toMatchObject([{ sequence: 4 }]);
  await done(['group', 'update', name, 'g', '--max-in-flight', '10']);
  expect((await done(['group', 'info', name, 'g', '--json'])).json).toMatchObject([{ maxInFlight: 10, version: 2 }]);
  expect((await done(['group', 'seek', name, 'g', 'start'])).out).toBe('Moved g: 9 messages to go.\n');
  expect((await done(['group', 'seek', name, 'g', 'end', '--json'])).json).toEqual([{ to: 'end', unread: 0 }]);
  expect(await cli(['group', 'seek', name, 'g', 'backwards'])).toMatchObject({
    code: 2,
    errors: expect.stringContaining('PLACE is "backwards"'),
  });
  expect((await done(['group', 'remove', name, 'g', '--yes'])).out).toBe('Removed g.\n');
  expect(await cli(['group', 'info', name, 'g'])).toMatchObject({ code: 1, errors: expect.stringContaining('GROUP_NOT_FOUND') });
});

test('dead letters: listed, shown, sent again, removed', async () => {
  const name = await station();
  await done(['produce', name, '{"total":1}', '{"total":2}', '--key', 'k']);
  const fetched = await client.call('POST', `/v1/stations/${name}/groups/g/fetch`, { json: { consumer: 'c' } });
  const receipts = (fetched.json.messages as { receipt: string }[]).map(({ receipt }) => receipt);
  await client.call('POST', `/v1/stations/${name}/groups/g/reject`, { json: { receipts, reason: 'no such customer' } });

  expect((await done(['dead-letters', 'list', name])).out).toMatch(/g +1 +rejected +no such customer +1 /);
  const letters = (await done(['dead-letters', 'list', name, '--json'])).json as { id: string }[];
  expect(letters).toMatchObject([{ group: 'g', message: { sequence: 1, payload: { total: 1 } } }, { message: { sequence: 2 } }]);
  expect((await done(['dead-letters', 'list', name, '--group', 'other', '--json'])).json).toEqual([]);
  const [first, second] = letters.map(({ id }) => id);
  const shown = (await done(['dead-letters', 'show', name, first ?? ''])).out;
  for (const part of ['no such customer', '{"total":1}', 'rejected', 'key']) expect(shown).toContain(part);

  expect(await cli(['dead-letters', 'redrive', name])).toMatchObject({ code: 2 });
  expect(await cli(['dead-letters', 'redrive', name, '--all', '--to', 'elsewhere'])).toMatchObject({ code: 2 });
  expect((await done(['dead-letters', 'redrive', name, first ?? '', '--rate', '100', '--max-redrives', '3'])).out).toBe(
    'Sent 1 message again.\n',
  );
  await done(['station', 'create', `${name}-dead`]);
  expect((await done(['station', 'update', name, '--dead-letter-station', `${name}-dead`])).out).toContain(`copied to ${name}-dead`);
  expect((await done(['consume', name, '--group', 'g', '--json'])).json).toMatchObject([{ sequence: 1, payload: { total: 1 } }]);
  expect((await done(['dead-letters', 'remove', name, second ?? '', '--yes', '--json'])).json).toEqual([{ removed: 1 }]);
  expect((await done(['dead-letters', 'list', name])).errors).toBe('There are no dead letters.\n');
  expect(await cli(['dead-letters', 'show', name, 'nonsense'])).toMatchObject({ code: 1, out: '' });
});

test('delayed and expiring messages: produced, listed, cancelled', async () => {
  const name = await station();
  expect((await done(['produce', name, 'late', '--delay', '10m'])).out).toMatch(/^Delayed 1 message in s\d+: 0-1-\w+, due at /);
  await done(['produce', name, 'now', '--expires', '1h']);
  const { json } = await done(['schedules', 'list', name, '--json']);
  expect(json).toMatchObject([{ scheduleId: expect.stringMatching(/^0-1-/), partition: 0 }]);
  expect((await done(['schedules', 'list', name])).out).toMatch(/in 9 min/);
  expect((await done(['schedules', 'cancel', name, json[0]!.scheduleId as string])).out).toBe('Cancelled 1 message.\n');
  expect(await cli(['schedules', 'cancel', name, json[0]!.scheduleId as string])).toMatchObject({
    code: 1,
    errors: expect.stringContaining('NOT_FOUND'),
  });
  expect(await payloads(name)).toEqual(['now']);
});

test('a station and a namespace: exported, imported, refused', async () => {
  const name = await station();
  await done(['produce', name, 'one', 'two']);
  const file = join(folder, `${name}.wsx`);
  expect((await done(['export', name, '--out', file])).out).toMatch(new RegExp(`^Saved ${name} in .*${name}.wsx, \\d`));
  expect(await cli(['export', name, '--out', file])).toMatchObject({ code: 2, errors: expect.stringContaining('--force') });
  expect(await cli(['import', file])).toMatchObject({ code: 1, errors: expect.stringContaining('IMPORT_REFUSED') });
  expect((await done(['import', file, '--as', `${name}-copy`])).out).toBe(`Imported ${name}-copy: 2 messages, synced.\n`);
  expect(await payloads(`${name}-copy`)).toEqual(['one', 'two']);
  expect((await done(['import', file, '--namespace', `ns-${name}`, '--json'])).json).toMatchObject([{ name, messages: 2 }]);
  expect((await done(['export', '--namespace', `ns-${name}`, '--out', '-'])).out.slice(0, 3)).toBe('WSX');
  expect(await cli(['export', 'nowhere', '--out', join(folder, 'nowhere.wsx')])).toMatchObject({
    code: 1,
    errors: expect.stringContaining('STATION_NOT_FOUND'),
  });
  expect(await cli(['import', join(folder, 'nowhere.wsx')])).toMatchObject({
    code: 1,
    errors: expect.stringContaining('There is no file'),
  });
  writeFileSync(file, readFileSync(file).subarray(0, -3));
  expect(await cli(['import', file, '--as', 'cut'])).toMatchObject({ code: 1, errors: expect.stringContaining('breaks off') });
});

test('groups: order, filter, backoff and bounds; paused, resumed, audited', async () => {
  const name = await station();
  await done(['produce', name, 'a', 'b', '--key', 'k']);
  const settings = ['--order', 'key', '--filter', 'key == "k"', '--backoff', '1s..10m', '--max-per-consumer', '5'];
  expect((await done(['group', 'create', name, 'g', ...settings, '--json'])).json).toMatchObject([
    { order: 'key', filter: 'key == "k"', backoff: { minMs: 1000, maxMs: 600_000, factor: 2 }, maxInFlightPerConsumer: 5 },
  ]);
  expect((await done(['group', 'pause', name, 'g'])).out).toBe('g is paused: 2 messages to go.\n');
  expect((await done(['group', 'info', name, 'g'])).out).toContain('nothing is given out');
  expect((await done(['group', 'resume', name, 'g'])).out).toBe('g goes on: 2 messages to go.\n');
  expect((await done(['group', 'update', name, 'g', '--backoff', '1s,5s', '--filter', 'none', '--json'])).json).toMatchObject([
    { backoff: [1000, 5000] },
  ]);
  const { out } = await done(['group', 'audit', name, 'g']);
  expect(out).toMatch(/produced +2\n[\s\S]*pending +2\n[\s\S]*the sum +is right/);
  await done(['group', 'seek', name, 'g', 'last:1']);
  expect((await done(['group', 'audit', name, 'g', '--json'])).json).toMatchObject([{ skipped: 1, pending: 1, balanced: true }]);
  expect(await cli(['group', 'update', name, 'g', '--backoff', 'soon'])).toMatchObject({
    code: 2,
    errors: expect.stringContaining('1s..10m'),
  });
});

test('dead letters: found by what they are, sent to all groups and to another station', async () => {
  const [name, other] = [await station(), await station()];
  for (const key of ['a', 'b', 'a']) await done(['produce', name, `of ${key}`, '--key', key]);
  const { json } = await client.call('POST', `/v1/stations/${name}/groups/g/fetch`, { json: { consumer: 'c' } });
  const receipts = (json.messages as { receipt: string }[]).map(({ receipt }) => receipt);
  await client.call('POST', `/v1/stations/${name}/groups/g/reject`, { json: { receipts } });
  expect((await done(['dead-letters', 'list', name, '--key', 'a', '--since', '1h', '--json'])).json).toHaveLength(2);
  expect((await done(['dead-letters', 'redrive', name, '--key', 'b', '--to', 'groups'])).out).toBe('Sent 1 message again.\n');
  expect((await done(['dead-letters', 'redrive', name, '--all', '--to', `station:${other}`])).out).toBe('Sent 2 messages again.\n');
  await vi.waitFor(async () => expect(await payloads(other)).toEqual(['of a', 'of a']));
  expect(await payloads(name)).toEqual(['of a', 'of b', 'of a', 'of b']);
  expect(await cli(['dead-letters', 'redrive', name])).toMatchObject({ code: 2 });
});
