/** The broker in Chromium: its storage's contract, tabs that share it, and what becomes of it when they go. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { CHECKS } from '../contract/volume.ts';
import { runKills } from '../kill/kills.ts';
import type { Site } from './_browser.ts';
import { startBrowser, startSite } from './_browser.ts';
import { browserSite } from './_site.ts';

declare global {
  // What the pages have at hand.
  var contract: () => Promise<unknown>;
  var stale: () => Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: of the browser's own types
  var browserBroker: (options?: object) => any;
  // biome-ignore lint/suspicious/noExplicitAny: of the browser's own types
  var broker: any;
}

let site: Site;
let browser: Browser;
beforeAll(async () => {
  [site, browser] = await Promise.all([startSite(), startBrowser()]);
}, 120_000);
afterAll(async () => {
  await browser.close();
  await site.close();
});

test('the log over IndexedDB keeps the contract', { timeout: 180_000 }, async () => {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const page = await context.newPage();
  await page.goto(`${site.origin}/contract.html`);
  await page.waitForFunction('globalThis.contract');
  expect(await page.evaluate(() => contract())).toEqual({ passed: CHECKS, skipped: 0, failed: [] });
});

test('an opener that has been followed by another one writes nothing any more', async () => {
  const page = await (await fresh()).newPage();
  await page.goto(`${site.origin}/contract.html`);
  await page.waitForFunction('globalThis.stale');
  const taken = 'Another one has taken the place.';
  expect(await page.evaluate(() => stale())).toEqual({ epochs: [1, 2], refused: [taken, taken], ids: [1, 4] });
});

type Kind = 'shared' | 'dedicated';

/** A page with a broker of that kind, at hand as `broker`. */
async function tab(context: BrowserContext, host: Kind, script = 'page'): Promise<Page> {
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && console.error(`a page: ${message.text()}`));
  page.on('pageerror', (error) => console.error(`a page: ${error.message}`));
  await page.goto(`${site.origin}/${script}.html`);
  await page.waitForFunction('globalThis.browserBroker');
  await page.evaluate((kind) => void Object.assign(globalThis, { broker: browserBroker({ host: kind }) }), host);
  return page;
}

async function fresh(): Promise<BrowserContext> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  return context;
}

describe.each(['shared', 'dedicated'] as const)('in a %s worker', (host) => {
  test('two tabs share one broker, and what one leases the other does not get', { timeout: 60_000 }, async () => {
    const context = await fresh();
    const one = await tab(context, host);
    const two = await tab(context, host);
    const produced = await one.evaluate(async () => {
      await broker.station('orders').create();
      return broker.station('orders').produce({ total: 12 });
    });
    expect(produced).toMatchObject({ partition: 0, sequence: 1, durability: 'local' });
    const fetched = () =>
      two.evaluate(async () => {
        const messages = await broker.station('orders').group('billing').fetch({ max: 10 });
        for (const message of messages) await message.ack();
        return messages.map(({ payload }: { payload: unknown }) => payload);
      });
    expect(await fetched()).toEqual([{ total: 12 }]);
    expect(await fetched()).toEqual([]);
    expect(await two.evaluate(() => broker.host)).toBe(host === 'shared' ? 'shared' : 'elsewhere');
    expect(await one.evaluate(async () => (await broker.health()).runtime)).toBe('browser');
  });

  test('reloaded, everything is still there', { timeout: 60_000 }, async () => {
    const context = await fresh();
    const page = await tab(context, host);
    await page.evaluate(async () => {
      await broker.station('orders').create();
      for (let n = 0; n < 50; n++) await broker.station('orders').produce({ n });
    });
    await page.reload();
    await page.waitForFunction('globalThis.browserBroker');
    const read = await page.evaluate(async (kind) => {
      const found: unknown[] = [];
      for await (const { payload } of browserBroker({ host: kind }).station('orders').read({ from: 'start' })) found.push(payload);
      return found;
    }, host);
    expect(read).toEqual(Array.from({ length: 50 }, (_, n) => ({ n })));
  });

  test('the tab that had it goes, another one goes on within a second, and nothing answered is lost', { timeout: 60_000 }, async () => {
    const context = await fresh();
    const one = await tab(context, host);
    const two = await tab(context, host);
    await one.evaluate(() => broker.station('s').create());
    await two.evaluate(() => {
      const log: { at: number; sequence: number }[] = [];
      const run = async () => {
        for (let n = 0; ; n++) {
          const { sequence } = await broker.station('s').produce({ n });
          log.push({ at: performance.now(), sequence });
        }
      };
      run().catch((error) => Object.assign(globalThis, { failed: String(error) }));
      Object.assign(globalThis, { log });
    });
    await two.waitForFunction('log.length > 20');
    const before = (await two.evaluate('log.length')) as number;
    await one.close();
    await two.waitForFunction(`log.length > ${before + 100}`);
    const { gap, sequences, failed } = (await two.evaluate(`({
      gap: Math.max(...log.slice(1).map(({ at }, i) => at - log[i].at)),
      sequences: log.map(({ sequence }) => sequence),
      failed: globalThis.failed,
    })`)) as { gap: number; sequences: number[]; failed: string | undefined };
    expect(failed).toBeUndefined();
    expect(gap, 'milliseconds without an answer').toBeLessThan(1_000);
    expect(sequences).toEqual(Array.from(sequences, (_, i) => i + 1));
  });

  test('a tab that is closed gives back what it held, and takes no more', { timeout: 60_000 }, async () => {
    const context = await fresh();
    const stays = await tab(context, host);
    const goes = await tab(context, host);
    await stays.evaluate(async () => {
      await broker.station('s').create();
      await broker.station('s').group('g').create();
    });
    await goes.evaluate(() => {
      void broker
        .station('s')
        .group('g')
        .handle(() => new Promise(() => undefined), { leaseMs: 2_000 });
    });
    await stays.evaluate(() => broker.station('s').produce({ n: 1 }));
    await expect.poll(() => stays.evaluate(async () => (await broker.station('s').group('g').info()).inFlight)).toBe(1);
    await goes.close();
    await stays.evaluate(() => broker.station('s').produce({ n: 2 }));
    const taken = await stays.evaluate(async () => {
      const found: number[] = [];
      for (let until = performance.now() + 8_000; found.length < 2 && performance.now() < until; )
        for (const message of await broker.station('s').group('g').fetch({ max: 10, waitMs: 1_000 })) {
          found.push(message.payload.n);
          await message.ack();
        }
      return found.sort();
    });
    expect(taken).toEqual([1, 2]);
  });
});

test('the Service Worker serves the same API to fetch; without a page that has the broker it says 503', { timeout: 60_000 }, async () => {
  const context = await fresh();
  const page = await tab(context, 'shared');
  await page.evaluate(
    `navigator.serviceWorker.register('/sw.js', { type: 'module' }).then(() => navigator.serviceWorker.ready).then(() => true)`,
  );
  await page.waitForFunction('navigator.serviceWorker.controller');
  const ask = (of: Page, method: string, path: string, body?: string) =>
    of.evaluate(
      async ([verb, target, text]) => {
        const json = text === undefined ? {} : { body: text, headers: { 'Content-Type': 'application/json' } };
        const answer = await fetch(`/wayside/v1${target}`, { method: verb!, ...json });
        return { status: answer.status, retry: answer.headers.get('retry-after'), text: await answer.text() };
      },
      [method, path, body] as const,
    );
  expect((await ask(page, 'PUT', '/stations/orders')).status).toBe(201);
  expect(await ask(page, 'POST', '/stations/orders/messages', '{"total":12}')).toMatchObject({ status: 201 });
  const next = await ask(page, 'POST', '/stations/orders/groups/g/next?consumer=me');
  expect(next).toMatchObject({ status: 200, text: '{"total":12}' });
  const other = await context.newPage();
  await other.goto(`${site.origin}/empty.html`);
  expect((await ask(other, 'GET', '/stations/orders')).status, 'over the door of the other page').toBe(200);
  await page.close();
  await expect.poll(async () => (await ask(other, 'GET', '/stations/orders')).status, { timeout: 20_000 }).toBe(503);
  const refused = await ask(other, 'GET', '/stations/orders');
  expect(Number(refused.retry)).toBeGreaterThanOrEqual(1);
  expect(JSON.parse(refused.text)).toMatchObject({ code: 'UNAVAILABLE', detail: expect.stringContaining('No page') });
});

test('without IndexedDB it says so; memory is kept only where it is asked for, and each answer says so', { timeout: 60_000 }, async () => {
  const context = await fresh();
  const page = await tab(context, 'dedicated');
  const told = await page.evaluate(async () => {
    const memory = browserBroker({ storage: 'memory', host: 'dedicated' });
    await memory.station('s').create();
    const { durability } = await memory.station('s').produce('x');
    await memory.close();
    return durability;
  });
  expect(told).toBe('memory');
});

test.each(['shared', 'dedicated'] as const)(
  'a %s worker whose script is not there is told by its address',
  { timeout: 30_000 },
  async (host) => {
    const page = await tab(await fresh(), host);
    const told = await page.evaluate(async (kind) => {
      const lost = browserBroker({ name: 'lost', host: kind, worker: '/nothing.js', timeoutMs: 1_500 });
      return lost.health().then(
        () => 'answered',
        (error: Error) => error.message,
      );
    }, host);
    expect(told).toContain('could not be started from /nothing.js');
  },
);

test('the whole browser is killed under load: nothing answered is lost', { timeout: 180_000 }, async () => {
  const report = await runKills({
    site: browserSite(),
    kills: 5,
    seed: Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)),
    loadMsMax: 1_500,
  });
  expect(report.messages).toBe(report.produced);
  expect(report.produced).toBeGreaterThan(50);
});

/** Sends one message after another and keeps what it was told, in `log`. */
const SENDING = `
  globalThis.log = [];
  void (async () => {
    for (let n = 0; !globalThis.isOver; n++) {
      const text = globalThis.tabName + '-' + n;
      const { sequence } = await broker.station('s').produce(text);
      log.push([sequence, text]);
    }
    globalThis.isDone = true;
  })().catch((error) => { globalThis.failed = String(error); });
`;

describe.each(['shared', 'dedicated'] as const)('tabs that race, in a %s worker', (host) => {
  test('four of them, closed and crashed in turn: nothing answered is lost, doubled or forked', { timeout: 40_000 }, async () => {
    const context = await fresh();
    const tabs: Page[] = [];
    const logs = new Map<number, string>();
    let named = 0;
    const begin = async () => {
      const page = await tab(context, host);
      if (named === 0) await page.evaluate(() => broker.station('s').create());
      await page.evaluate(`globalThis.tabName = 't${named++}'; ${SENDING}`);
      tabs.push(page);
    };
    const note = (told: readonly (readonly [number, string])[]) => {
      for (const [sequence, text] of told) {
        expect(logs.get(sequence) ?? text, `two were told to be ${sequence}`).toBe(text);
        logs.set(sequence, text);
      }
    };
    for (let i = 0; i < 4; i++) await begin();
    for (let round = 0; round < 8; round++) {
      await sleep(300);
      // The oldest is the one that has the worker where it is a dedicated one.
      const goes = tabs.shift()!;
      note((await goes.evaluate('log')) as [number, string][]);
      if (round % 2 === 0) await goes.close();
      else {
        const devtools = await context.newCDPSession(goes);
        void devtools.send('Page.crash').catch(() => undefined);
        await goes.waitForEvent('crash');
        await goes.close();
      }
      await begin();
    }
    for (const page of tabs) {
      await page.evaluate('globalThis.isOver = true');
      await page.waitForFunction('globalThis.isDone || globalThis.failed', undefined, { timeout: 20_000 });
      expect(await page.evaluate('globalThis.failed')).toBeUndefined();
      note((await page.evaluate('log')) as [number, string][]);
    }
    const stored = (await tabs[0]!.evaluate(`(async () => {
      const found = [];
      for await (const message of broker.station('s').read({ from: 'start' })) found.push([message.sequence, message.payload]);
      return found;
    })()`)) as [number, string][];
    expect(stored.map(([sequence]) => sequence)).toEqual(Array.from(stored, (_, i) => i + 1));
    expect(new Set(stored.map(([, text]) => text)).size, 'each is stored once').toBe(stored.length);
    const places = new Map(stored);
    for (const [sequence, text] of logs) expect(places.get(sequence), `what was told to be ${sequence}`).toBe(text);
    expect(logs.size).toBeGreaterThan(200);
  });
});

test.each([
  ['the database is deleted', async (page: Page) => void (await page.evaluate(`void indexedDB.deleteDatabase('wayside:default')`))],
  [
    'the site data is cleared',
    async (page: Page) => {
      const devtools = await page.context().newCDPSession(page);
      await devtools.send('Storage.clearDataForOrigin', { origin: site.origin, storageTypes: 'indexeddb' });
    },
  ],
])('%s under it: whoever waits is told, and it goes on, empty', { timeout: 20_000 }, async (_, take) => {
  const context = await fresh();
  const page = await tab(context, 'shared');
  await page.evaluate(() => broker.station('s').create());
  await page.evaluate(() => broker.station('s').produce('before'));
  const empty = await context.newPage();
  await empty.goto(`${site.origin}/empty.html`);
  await page.evaluate(`globalThis.tabName = 't'; ${SENDING}`);
  await page.waitForFunction('log.length > 10');
  await take(empty);
  await page.waitForFunction('globalThis.failed', undefined, { timeout: 10_000 });
  expect(await page.evaluate('globalThis.failed')).toMatch(/STATION_NOT_FOUND|no station|storage/i);
  await page.evaluate(() => broker.station('s').create());
  expect(await page.evaluate(() => broker.station('s').produce('after'))).toMatchObject({ sequence: 1 });
});

test('a site without room is read only, and says so; what is there can still be read', { timeout: 40_000 }, async () => {
  const context = await fresh();
  const first = await context.newPage();
  await first.goto(`${site.origin}/empty.html`);
  const devtools = await context.newCDPSession(first);
  await devtools.send('Storage.overrideQuotaForOrigin', { origin: site.origin, quotaSize: 6_000_000 });
  const page = await tab(context, 'shared');
  await page.evaluate(() => broker.station('s').create());
  const [stored, refusal] = await page.evaluate(async () => {
    const station = broker.station('s');
    const payload = new Uint8Array(400_000);
    // Nothing that a database could write shorter.
    for (let at = 0; at < payload.length; at += 50_000) crypto.getRandomValues(payload.subarray(at, at + 50_000));
    // Chromium looks at the quota now and then only.
    for (let n = 0; n < 400; n++) {
      try {
        await station.produce(payload);
      } catch (error) {
        return [n, (error as { code: string }).code];
      }
    }
    return [400, 'none'];
  });
  expect(refusal).toBe('STORAGE_FULL');
  expect(stored).toBeGreaterThan(2);
  const read = await page.evaluate(async () => {
    let count = 0;
    for await (const message of broker.station('s').read({ from: 'start' })) count += message.bytes.length === 400_000 ? 1 : 0;
    return count;
  });
  expect(read).toBeGreaterThanOrEqual(Number(stored));
});
