/** The page of examples/in-browser, as its reader uses it: by the keyboard, with two tabs, reloaded. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { buildDemo, serveDemo } from '../../scripts/demo.ts';
import { startBrowser } from './_browser.ts';

let browser: Browser;
let folder: string;
let site: Awaited<ReturnType<typeof serveDemo>>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wayside-demo-'));
  site = await serveDemo(await buildDemo(join(folder, 'page')), 0);
  browser = await startBrowser();
}, 120_000);
afterAll(async () => {
  await browser.close();
  await site.close();
  rmSync(folder, { recursive: true });
});

async function fresh(): Promise<BrowserContext> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  return context;
}

/** Fails the test with whatever goes wrong in the page. */
async function opened(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(`the page: ${error.message}`));
  await page.goto(site.url);
  await page.waitForSelector('#consumers li');
  return page;
}

const states = (page: Page): Promise<(string | null)[]> =>
  page.$$eval('#tape li', (items) => items.map((item) => (item as { className: string }).className));

test('produced by the keyboard, worked off by the consumers, there after a reload and in a second tab', { timeout: 60_000 }, async () => {
  const context = await fresh();
  const page = await opened(context);
  await page.focus('#payload');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await expect.poll(() => states(page), { timeout: 30_000 }).toEqual(Array.from({ length: 11 }, () => 'acked'));
  await page.reload();
  await expect.poll(() => states(page), { timeout: 10_000 }).toHaveLength(11);
  const second = await opened(context);
  await page.click('#produce .main');
  await expect.poll(() => states(second), { timeout: 10_000 }).toHaveLength(12);
  expect(await page.isVisible('#trouble')).toBe(false);
});

test('a consumer that is killed: its message comes back, and is a dead letter in the end; redriven it is done', {
  timeout: 90_000,
}, async () => {
  const page = await opened(await fresh());
  await page.click('#produce .main');
  for (let delivery = 1; delivery <= 3; delivery++) {
    // Whoever has it is killed, and another one comes.
    const holder = page.locator('#consumers li', { hasText: 'works on 1' });
    await holder.waitFor({ timeout: 20_000 });
    await holder.locator('.kill').click();
    await page.click('#add');
  }
  await expect.poll(() => states(page), { timeout: 20_000 }).toEqual(['dead']);
  expect(await page.textContent('#letter-count')).toBe('One dead letter.');
  await page.click('#redrive');
  await expect.poll(() => states(page), { timeout: 20_000 }).toEqual(['acked']);
  expect(await page.textContent('#log')).toContain('was killed with 1 in its hands');
});

test('the Service Worker answers the API beside the page, as the page says', { timeout: 30_000 }, async () => {
  const page = await opened(await fresh());
  await page.waitForFunction('navigator.serviceWorker.controller');
  const info = await page.evaluate(`fetch('wayside/v1/stations/orders').then((answer) => answer.json())`);
  expect(info).toMatchObject({ name: 'orders', durability: 'local' });
});
