/** Signs of life, on a clock that the test moves. */
import { describe, expect, it } from 'vitest';
import type { Clock, Timers } from '../../../src/core/ports.ts';
import { overriding, world } from './_frames.ts';

/** Time that stands still until it is moved; what falls due runs in order. */
function handMade(): { clock: Clock; timers: Timers; pass(ms: number): void; readonly armed: number } {
  let now = 0;
  let due: { at: number; run: () => void }[] = [];
  return {
    clock: { now: () => 1_760_000_000_000 + now, monotonic: () => now },
    timers: {
      endOfTurn: (run) => queueMicrotask(run),
      after(ms, run) {
        const entry = { at: now + ms, run };
        due.push(entry);
        return () => {
          due = due.filter((other) => other !== entry);
        };
      },
    },
    pass(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = due.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        now = next.at;
        due = due.filter((other) => other !== next);
        next.run();
      }
      now = end;
    },
    get armed() {
      return due.length;
    },
  };
}

async function begun(protocol: 'wayside.msgpack.v1' | 'wayside.json.v1' = 'wayside.json.v1') {
  const time = handMade();
  const w = await world({ clock: time.clock, timers: time.timers });
  return { time, w, client: await w.wire(protocol) };
}

describe('a silent peer', () => {
  it('is asked every 30 s, and closed with 4408 after 60', async () => {
    const { time, client } = await begun();
    time.pass(29_000);
    expect(client.frames).toEqual([]);
    time.pass(4_000);
    expect(client.frames).toEqual([{ op: 'ping' }]);
    // That the ping has left is no sign of the peer.
    await Promise.resolve();
    time.pass(26_000);
    expect(client.closed).toBeUndefined();
    time.pass(4_000);
    expect(client.closed?.code).toBe(4408);
    expect(time.armed, 'no timer is left').toBe(0);
  });

  it.each([{ op: 'pong' }, { op: 'ping' }, { op: 'nonsense', id: 1 }])('is alive with any frame: %o', async (frame) => {
    const { time, client } = await begun();
    for (let minutes = 0; minutes < 10; minutes++) {
      time.pass(50_000);
      client.send(frame);
    }
    expect(client.closed).toBeUndefined();
    expect(client.frames.filter(({ op }) => op === 'ping').length).toBeGreaterThan(12);
  });

  it('that is not listened to, since its answers cannot leave, is alive while it takes them off', async () => {
    const time = handMade();
    const w = await world({ clock: time.clock, timers: time.timers, limits: { outgoingBytesMax: 2_000 } });
    const client = await w.wire('wayside.json.v1');
    for (let round = 0; round < 5; round++) {
      client.stuck = true;
      for (let id = 0; !client.paused; id++) client.send({ op: 'nonsense', id });
      time.pass(50_000);
      client.read();
    }
    expect(client.closed).toBeUndefined();
    for (let id = 0; !client.paused; id++) client.send({ op: 'nonsense', id });
    time.pass(63_000);
    expect(client.closed?.code).toBe(4408);
  });

  it('that is not read, since what it has sent waits to be stored, is not blamed for it', async () => {
    const time = handMade();
    const limits = { pendingBytesMax: 4_096, batchBytesMax: 1_024, messageBytesMax: 1_000 };
    const w = await world({
      clock: time.clock,
      timers: time.timers,
      limits,
      wrap: (broker) => overriding(broker, { produce: () => new Promise(() => undefined) }),
    });
    const client = await w.wire('wayside.json.v1');
    for (let id = 0; !client.paused; id++) client.send({ op: 'produce', id, station: 's', messages: [{ text: 'x'.repeat(900) }] });
    time.pass(300_000);
    expect(client.closed).toBeUndefined();
  });

  it('that never says hello is closed after 10 s', async () => {
    const time = handMade();
    const w = await world({ clock: time.clock, timers: time.timers });
    const [mute, slow] = [await w.wire('wayside.json.v1', { hello: false }), await w.wire('wayside.json.v1', { hello: false })];
    time.pass(9_000);
    await slow.hello();
    time.pass(4_000);
    expect([mute.closed?.code, slow.closed]).toEqual([4408, undefined]);
  });

  it('is not blamed for a time in which this process stood still', async () => {
    const { time, client } = await begun();
    const { monotonic } = time.clock;
    let asleep = 0;
    (time.clock as { monotonic: () => number }).monotonic = () => monotonic() + asleep;
    time.pass(1_000);
    asleep = 3_600_000;
    time.pass(10_000);
    expect(client.closed).toBeUndefined();
    time.pass(70_000);
    expect(client.closed?.code).toBe(4408);
  });

  it('has one timer with all others, and none when all have gone', async () => {
    const time = handMade();
    const w = await world({ clock: time.clock, timers: time.timers });
    const clients = await Promise.all(Array.from({ length: 50 }, () => w.wire()));
    expect(time.armed).toBe(1);
    for (const client of clients) client.vanish();
    expect(time.armed).toBe(0);
    time.pass(120_000);
    const again = await w.wire();
    time.pass(31_000);
    expect(again.frames).toEqual([{ op: 'ping' }]);
  });

  it('in the same process is left alone', async () => {
    const time = handMade();
    const w = await world({ clock: time.clock, timers: time.timers });
    const client = await w.link();
    expect(time.armed).toBe(0);
    time.pass(3_600_000);
    expect([client.closed, client.frames]).toEqual([undefined, []]);
  });
});
