/**
 * The README and the page about backups cannot lie: their programs, their shell lines and frames are run as they stand, against a broker of
 * their own, and what they are said to print, they print.
 *
 * In an output `…` stands for anything. A receipt that is `…` is one that was delivered before; shell lines that need one are
 * left to the reader, and so is `npm`.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker, temporaryFolder } from '../node/_process.ts';

const ROOT = join(import.meta.dirname, '../..');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const BACKUP = readFileSync(join(ROOT, 'docs/backup.md'), 'utf8');
const run = promisify(execFile);
const data = temporaryFolder();
// Below the project, so that `wayside` is its own name.
const programs = mkdtempSync(join(import.meta.dirname, '.readme-'));
let broker: BrokerProcess;

beforeAll(async () => {
  broker = await startBroker({ data: data.path });
});
afterAll(async () => {
  await broker.stop();
  data.remove();
  rmSync(programs, { recursive: true });
});

/** What a page has in fences of that language. */
function blocks(language: string, page = README): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
}

/** Against the broker of the test. */
function here(text: string): string {
  const { host } = new URL(broker.base);
  return text.replaceAll(/(127\.0\.0\.1|localhost):4300/g, host);
}

async function program(text: string, name: string): Promise<string> {
  const file = join(programs, `${name}.ts`);
  writeFileSync(file, here(text));
  return (await run(process.execPath, [file], { cwd: ROOT })).stdout;
}

test.each([
  { page: 'README.md', text: README, least: 9 },
  { page: 'docs/backup.md', text: BACKUP, least: 5 },
])('the shell lines of $page, curl and wayside, and what they are said to print', { timeout: 60_000 }, async ({ text, least }) => {
  const lines = blocks('sh', text).join('').replaceAll('\\\n', '').split('\n');
  const commands = lines.filter((line) => /^(curl|npx wayside) /.test(line) && !line.includes('["…"]'));
  expect(commands.length).toBeGreaterThanOrEqual(least);
  const script = here(commands.join('\n'))
    .replaceAll(/^curl /gm, 'curl --fail-with-body --silent --show-error --write-out "\\n" ')
    .replaceAll(/^npx wayside /gm, `"${process.execPath}" "${join(ROOT, 'scripts/wayside.mjs')}" `);
  const env = { ...process.env, WAYSIDE_URL: broker.base };
  // In a folder of its own: some write files.
  const { stdout } = await run('bash', ['-e', '-c', `exec 2>&1\n${script}`], { env, cwd: programs });
  const outputs = lines.filter((line) => line.startsWith('# ')).map((line) => line.slice(2));
  expect(outputs.length).toBeGreaterThanOrEqual(least);
  for (const output of outputs) expect(stdout).toMatch(new RegExp(`^${pattern(output)}$`, 'm'));
});

/** Of a line in which `…` stands for anything. */
function pattern(output: string): string {
  return output
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('.*');
}

test('the program that uses the SDK', async () => {
  const [sdk = ''] = blocks('ts');
  // The shell lines have written to the same station: a group of its own begins behind them.
  const said = await program(
    sdk.replace("wayside.station<{ order: number }>('orders')", "wayside.station<{ order: number }>('readme')"),
    'sdk',
  );
  expect(said).toBe('1 1\n2 2\n3 3\n');
});

test('the program with a schema, a producer and a handler', async () => {
  expect(await program(blocks('ts')[1] ?? '', 'handle')).toBe('500500\n');
});

test('the exactly-once step', async () => {
  expect(await program(blocks('ts')[2] ?? '', 'step')).toBe('{ acked: 1, produced: 1, repeated: false }\n');
});

test('the test with a virtual clock', async () => {
  expect(await program(blocks('ts')[3] ?? '', 'embed')).toBe('hello 2\n');
});

test('the frames, each of which is answered', async () => {
  const frames = (blocks('json')[0] ?? '').trim().split('\n');
  const socket = new WebSocket(`${broker.base.replace('http', 'ws')}/v1/ws`, 'wayside.json.v1');
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
  const receipts: string[] = [];
  for (const frame of frames) {
    const { op, id, sub } = JSON.parse(frame) as { op: string; id?: number; sub?: number };
    const isWanted = (got: Got) => (op === 'hello' ? got.op === 'welcome' : got.id === id);
    const wanted = next(socket, isWanted);
    const delivered = op === 'subscribe' ? next(socket, (got) => got.sub === sub && got.messages !== undefined) : undefined;
    socket.send(frame.replace('"receipts":["…"]', `"receipts":${JSON.stringify(receipts)}`));
    const { error, ok } = await wanted;
    expect(error).toBeUndefined();
    if (op === 'ack') expect(ok).toEqual({ failed: [] });
    for (const { receipt } of (await delivered)?.messages ?? []) receipts.push(receipt);
  }
  expect(receipts.length).toBeGreaterThan(0);
  socket.close();
});

interface Got {
  readonly op?: string;
  readonly id?: number;
  readonly sub?: number;
  readonly error?: unknown;
  readonly ok?: unknown;
  readonly messages?: readonly { readonly receipt: string }[];
}

/** The first frame that fits, from now on. */
function next(socket: WebSocket, fits: (got: Got) => boolean): Promise<Got> {
  return new Promise((resolve) => {
    const look = ({ data }: MessageEvent) => {
      const got = JSON.parse(String(data)) as Got;
      if (!fits(got)) return;
      socket.removeEventListener('message', look);
      resolve(got);
    };
    socket.addEventListener('message', look);
  });
}
