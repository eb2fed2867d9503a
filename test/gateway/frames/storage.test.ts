/** A storage that fails while sessions are at work: they live on, and so do their subscriptions. */
import { describe, expect, test } from 'vitest';
import { nodeClock, nodeRandom, nodeTimers } from '../../../src/adapters/node/timers.ts';
import { LogVolume } from '../../../src/core/volume/log.ts';
import { memoryFiles } from '../../simulation/faults/files.ts';
import { failingFiles, quiet } from '../../volume/_log.ts';
import type { Client, World } from './_frames.ts';
import { receiptsOf, textsOf, world } from './_frames.ts';

const CARRIERS: Record<string, (w: World) => Promise<Client>> = {
  objects: (w) => w.link(),
  msgpack: (w) => w.wire('wayside.msgpack.v1'),
  json: (w) => w.wire('wayside.json.v1'),
};

describe.each(Object.entries(CARRIERS))('%s', (_, open) => {
  test.each(['write', 'sync'] as const)('a failed %s: errors, `paused`, and on it goes', async (fault) => {
    const faults: { next: 'write' | 'sync' | undefined } = { next: undefined };
    const volume = new LogVolume({
      files: failingFiles(memoryFiles(), faults),
      clock: nodeClock,
      timers: nodeTimers(),
      random: nodeRandom(),
      journal: quiet,
      settings: { segmentBytes: 256 * 1024 },
    });
    const w = await world({ volume });
    const station = await w.station();
    const client = await open(w);
    await client.do('subscribe', { sub: 1, station, group: 'g', consumer: 'c', leaseMs: 1_000, credit: { messages: 100, bytes: 1e6 } });
    await client.do('produce', { station, messages: [{ text: 'before' }] });
    const first = await client.next(({ sub }) => sub === 1);
    expect(textsOf(first)).toEqual(['before']);
    await client.do('ack', { station, group: 'g', receipts: receiptsOf(first) });

    faults.next = fault;
    const answers = await Promise.all(['a', 'b'].map((text) => client.ask('produce', { station, messages: [{ text, id: text }] })));
    expect(answers.map(({ error }) => error?.code)).toContain('STORAGE_FAILED');
    expect(await client.next(({ event }) => event !== undefined)).toEqual({ sub: 1, event: 'paused' });

    // Sent again with the same ids until they are taken: stored once, and delivered.
    for (const text of ['a', 'b']) {
      for (;;) {
        const { ok, error } = await client.ask('produce', { station, messages: [{ text, id: text }] });
        if (ok !== undefined) break;
        expect(error.code).toBe('STORAGE_FAILED');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    // What was leased in the moment of the failure, and could not be sent, comes when that lease ends.
    const got = new Set<string>();
    while (got.size < 2) {
      const frame = await client.next(({ sub, event }) => sub === 1 && event === undefined);
      for (const text of textsOf(frame)) got.add(text);
      expect((await client.do('ack', { station, group: 'g', receipts: receiptsOf(frame) })).failed).toEqual([]);
    }
    expect([...got].sort()).toEqual(['a', 'b']);
    expect(await w.broker.group('default', station, 'g')).toMatchObject({ inFlight: 0, unread: 0 });
    expect((await w.broker.station('default', station)).messages).toBe(3);
    expect(client.closed).toBeUndefined();
  });
});
