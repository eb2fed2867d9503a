/** The loops that drive every client, against a client in memory. */
import { describe, expect, test } from 'vitest';
import type { Followed } from '../../src/cli/bench/drive.ts';
import { latencyAt, publishCount, publishFor } from '../../src/cli/bench/drive.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('publishing', () => {
  test('keeps as many calls under way as it is told, and counts their messages', async () => {
    let underWay = 0;
    let most = 0;
    let calls = 0;
    const call = async () => {
      most = Math.max(most, ++underWay);
      await turn();
      calls++;
      underWay--;
    };
    const { messages } = await publishCount({ messagesPerCall: 10, callsUnderWay: 4, call }, 995);
    expect({ messages, calls, most, underWay }).toEqual({ messages: 1000, calls: 100, most: 4, underWay: 0 });
  });

  test('counts only what was answered, and all of it', async () => {
    let answered = 0;
    const took: number[] = [];
    const call = async () => {
      await turn();
      answered += 3;
    };
    const { messages, seconds } = await publishFor({ messagesPerCall: 3, callsUnderWay: 2, call }, 20, (ms) => took.push(ms));
    expect(messages).toBe(answered);
    expect(took.length).toBe(messages / 3);
    expect(seconds).toBeGreaterThanOrEqual(0.02);
  });

  test('fails with the first refusal', async () => {
    const call = () => Promise.reject(new Error('refused'));
    await expect(publishFor({ messagesPerCall: 1, callsUnderWay: 3, call }, 50)).rejects.toThrow('refused');
  });
});

describe('latency', () => {
  const pace = { perSecond: 2_000, ms: 100, size: 16 };

  test('is of every message once, also where one is delivered twice and out of order', async () => {
    let sent = 0;
    let stopped = false;
    const client = inMemory((deliver) => async (payload) => {
      sent++;
      await turn();
      deliver(payload);
      deliver(payload);
    });
    const { p50, p99, messages } = await latencyAt({ ...client, follow: stopping(client, () => (stopped = true)) }, 's', pace);
    expect({ sent, messages, stopped }).toEqual({ sent: 200, messages: 160, stopped: true });
    expect(p50).toBeGreaterThanOrEqual(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
  });

  test('ends early when it is told to, with what was sent until then', async () => {
    const ending = new AbortController();
    let sent = 0;
    const client = inMemory((deliver) => async (payload) => {
      if (++sent === 50) ending.abort();
      deliver(payload);
    });
    const { p99, messages } = await latencyAt(client, 's', { ...pace, ms: 60_000, signal: ending.signal });
    expect(sent).toBeGreaterThanOrEqual(50);
    expect(messages).toBeGreaterThan(0);
    expect(messages).toBeLessThanOrEqual(sent);
    expect(p99).toBeGreaterThanOrEqual(0);
  });

  test('stops reading and fails when a message is refused', async () => {
    let stopped = false;
    const client = inMemory(() => () => Promise.reject(new Error('refused')));
    await expect(latencyAt({ ...client, follow: stopping(client, () => (stopped = true)) }, 's', pace)).rejects.toThrow('refused');
    expect(stopped).toBe(true);
  });
});

function inMemory(publish: (deliver: (payload: Uint8Array) => void) => (payload: Uint8Array) => Promise<unknown>): Followed {
  let send = (_: Uint8Array): Promise<unknown> => Promise.reject(new Error('nobody follows'));
  return {
    publish: (_, payload) => send(payload),
    async follow(_, deliver) {
      send = publish(deliver);
      return async () => {};
    },
  };
}

function stopping(client: Followed, stopped: () => void): Followed['follow'] {
  return async (stream, deliver) => {
    await client.follow(stream, deliver);
    return async () => stopped();
  };
}
