/** A session in the same process: nothing is called from within its own call, and each end's close is the other's. */
import { describe, expect, it } from 'vitest';
import type { Frame } from './_frames.ts';
import { payloads, world } from './_frames.ts';

describe('a direct link', () => {
  it('hands frames over in order, never from within a call', async () => {
    const w = await world();
    const link = w.gateway.frames.link();
    const order: string[] = [];
    let depth = 0;
    const answered = new Promise<void>((resolve) => {
      link.onFrame = (frame: Frame) => {
        expect(depth++).toBe(0);
        order.push(frame.op ?? `answer ${frame.id}`);
        if (frame.op === 'welcome') for (const id of [1, 2, 3]) link.send({ op: 'credit', id, sub: 9, messages: 1, bytes: 1 });
        depth--;
        if (order.length === 4) resolve();
      };
    });
    link.send({ op: 'hello' });
    order.push('sent');
    await answered;
    expect(order).toEqual(['sent', 'welcome', 'answer 1', 'answer 2', 'answer 3'].slice(0, order.length));
    expect(link.buffered()).toBe(0);
  });

  it('closed by the client: said once, later, and nothing comes any more', async () => {
    const w = await world();
    const station = await w.station();
    const link = w.gateway.frames.link();
    const heard: unknown[] = [];
    link.onFrame = (frame) => heard.push(frame);
    link.onClose = (code, reason) => heard.push([code, reason]);
    link.send({ op: 'hello' });
    link.send({ op: 'fetch', id: 1, station, group: 'g', consumer: 'c', waitMs: 20_000 });
    await new Promise((resolve) => setImmediate(resolve));
    heard.length = 0;
    link.close();
    link.close();
    expect(heard).toEqual([]);
    link.send({ op: 'ping' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([[1000, '']]);
  });

  it('closed by the session: after the frames that it had sent', async () => {
    const w = await world();
    const link = w.gateway.frames.link();
    const heard: Frame[] = [];
    const closed = new Promise<void>((resolve) => {
      link.onFrame = (frame) => heard.push(frame);
      link.onClose = (code) => {
        heard.push(code);
        resolve();
      };
    });
    link.send({ op: 'hello' });
    link.send({ op: 'ping' });
    link.send({ op: 'ack' } as never);
    link.send({ op: 'ping' });
    await closed;
    expect(heard.map((frame) => frame.op ?? frame)).toEqual(['welcome', 'pong', 4400]);
    link.send({ op: 'ping' });
    link.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toHaveLength(3);
  });

  it('what it delivers is its own: changing it changes nothing that is stored', async () => {
    const w = await world();
    const station = await w.station();
    const client = await w.link();
    await client.do('produce', { station, messages: [{ text: 'as it was' }] });
    const { blocks } = await client.do('fetch', { station, group: 'g', consumer: 'c' });
    expect(blocks[0].records.buffer.byteLength).toBe(blocks[0].records.length);
    blocks[0].records.fill(0);
    const again = await client.do('fetch', { station, group: 'h', consumer: 'c' });
    expect(payloads(again.blocks[0].records).map((bytes) => new TextDecoder().decode(bytes))).toEqual(['as it was']);
  });
});
