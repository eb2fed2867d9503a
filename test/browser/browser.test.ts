/** The broker in Chromium: its storage's contract, tabs that share it, and what becomes of it when they go. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { CHECKS } from '../contract/volume.ts';
import type { Site } from './_browser.ts';
import { startBrowser, startSite } from './_browser.ts';

declare global {
  // What the pages have at hand.
  var contract: () => Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: of the browser's own types
  var browserBroker: (options?: object) => any;
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

test.each(['shared', 'dedicated'] as const)('two tabs share one broker, in a %s worker', { timeout: 60_000 }, async (host) => {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const [one, two] = await Promise.all([context.newPage(), context.newPage()]);
  for (const page of [one, two]) {
    page.on('console', (message) => console.log('page:', message.text()));
    await page.goto(`${site.origin}/page.html`);
    await page.waitForFunction('globalThis.browserBroker');
  }
  const produced = await one.evaluate(async (kind) => {
    const broker = browserBroker({ host: kind });
    Object.assign(globalThis, { broker });
    await broker.createStation('orders');
    return broker.station('orders').produce({ json: { total: 12 } });
  }, host);
  expect(produced).toMatchObject({ partition: 0, sequence: 1, durability: 'local' });
});
