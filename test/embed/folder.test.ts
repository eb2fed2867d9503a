/** A broker that is embedded on a folder: what is answered is there again, and the folder is one process's. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { embed } from '../../src/adapters/node/index.ts';
import { temporaryFolder } from '../node/_process.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

const run = (...args: string[]): ChildProcess =>
  spawn(process.execPath, [join(import.meta.dirname, '_program.ts'), ...args], { stdio: ['pipe', 'pipe', 'inherit'] });

async function said(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const [code, signal] = await once(child, 'close');
  expect({ code, signal }).toEqual({ code: 0, signal: null });
  return text;
}

test('it survives: embed, produce, close, embed, consume', async () => {
  const first = await embed({ data: folder.path });
  await first.station<string>('orders').create();
  expect(await first.station<string>('orders').produce('one')).toMatchObject({ sequence: 1, durability: 'synced' });
  await first.station<string>('orders').group('billing').create();
  await first.close();

  const second = await embed({ data: folder.path });
  const [message] = await second.station<string>('orders').group('billing').fetch();
  expect(message?.payload).toBe('one');
  await message?.ack();
  expect(await second.station<string>('orders').produce('two')).toMatchObject({ sequence: 2 });
  await second.close();

  await using third = await embed({ data: folder.path });
  expect((await third.station<string>('orders').group('billing').fetch()).map(({ payload }) => payload)).toEqual(['two']);
});

test('a folder that another process has: UNAVAILABLE, in words', async () => {
  const other = run('hold', folder.path);
  await once(other.stdout!, 'data');
  const gone = once(other, 'exit');
  await expect(embed({ data: folder.path })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/in use by another/),
  });
  other.stdin!.write('end\n');
  await gone;
  await (await embed({ data: folder.path })).close();
});

test('a folder that this process has: UNAVAILABLE too, and the first one goes on', async () => {
  await using first = await embed({ data: folder.path });
  await expect(embed({ data: folder.path })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await first.station('orders').create();
});

test('SIGKILL: what was answered is there', async () => {
  const program = run('produce', folder.path);
  const answered: string[] = [];
  const lines = createInterface({ input: program.stdout! });
  lines.on('line', (line) => {
    if (answered.push(line) === 50) program.kill('SIGKILL');
  });
  const [, signal] = await once(program, 'close');
  expect(signal).toBe('SIGKILL');
  expect(answered.length).toBeGreaterThanOrEqual(50);

  await using wayside = await embed({ data: folder.path });
  const stored = new Map<number, number>();
  for await (const { sequence, payload } of wayside.station<number>('orders').read()) stored.set(payload, sequence);
  for (const line of answered) {
    const [payload = 0, sequence] = line.split(' ').map(Number);
    expect(stored.get(payload)).toBe(sequence);
  }
});

test.each([['in memory'], ['on a folder']])('%s: closed, it leaves nothing behind, and the process ends by itself', async (where) => {
  const left = await said(run('close', ...(where === 'in memory' ? [] : [folder.path])));
  expect(left).toBe('left: \n');
});

test('in memory: a program that forgets to close it ends all the same', async () => {
  await said(run('forget'));
});
