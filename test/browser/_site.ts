/** Chromium as a site of the kill test: the whole browser is killed, with the page, the worker and the Service Worker in it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Site } from '../kill/kills.ts';
import { Bridge } from './_bridge.ts';

const START_MS_MAX = 25_000;
const IN_ORDER = { code: 0, signal: null, errors: '' };

export function browserSite(): Site {
  const bridges = new Map<string, Bridge>();
  const bridgeOn = (data: string): Bridge => {
    const bridge = bridges.get(data) ?? new Bridge(data);
    bridges.set(data, bridge);
    return bridge;
  };
  return {
    async start(data) {
      const bridge = bridgeOn(data);
      await bridge.start();
      return {
        base: bridge.base,
        async stop() {
          await bridge.stop();
          return IN_ORDER;
        },
        async kill() {
          await bridge.kill();
          return { ...IN_ORDER, code: null, signal: 'SIGKILL' };
        },
      };
    },
    async killStarting(data, afterMs) {
      const bridge = bridgeOn(data);
      const started = bridge.start().catch(() => undefined);
      await sleep(2 * afterMs);
      await bridge.kill();
      // One that was killed at the wrong moment is waited for in vain.
      await Promise.race([started, sleep(START_MS_MAX)]);
      await bridge.kill();
    },
    strongest: 'local',
    opens: ['UNAVAILABLE'],
  };
}
