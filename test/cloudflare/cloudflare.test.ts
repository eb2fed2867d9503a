/** What conformance cannot ask of the Worker: its storage's contract, its end at any time, what wakes it, what is missing of a deployment. */
import { expect, onTestFinished, test } from 'vitest';
import { CHECKS } from '../contract/volume.ts';
import { runKills } from '../kill/kills.ts';
import { temporaryFolder } from '../node/_process.ts';
import { workerSite } from './_site.ts';
import type { RuntimeOptions } from './_worker.ts';
import { bundle, workerd } from './_worker.ts';

/** A second opener: the runtime has one instance of an object at a time. */
const NEED_A_SECOND_OPENER = 2;

async function running(options: Omit<RuntimeOptions, 'folder'> & { folder?: string }) {
  const folder = temporaryFolder();
  const runtime = workerd({ folder: folder.path, ...options });
  onTestFinished(async () => {
    await runtime.dispose();
    folder.remove();
  });
  return { base: (await runtime.ready).href.replace(/\/$/, ''), folder: folder.path, runtime };
}

test('the log over the SQLite of an object keeps the contract, in workerd', { timeout: 120_000 }, async () => {
  const { base } = await running({ script: await bundle('contract-worker.ts'), objects: { CONTRACT: 'ContractObject' } });
  const answer = await fetch(base);
  expect(await answer.json()).toEqual({ passed: CHECKS - NEED_A_SECOND_OPENER, skipped: NEED_A_SECOND_OPENER, failed: [] });
});

test('killed, and its object ended again and again, under load: nothing answered is lost', { timeout: 180_000 }, async () => {
  const site = await workerSite();
  const report = await runKills({ site, kills: 3, seed: Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31)), loadMsMax: 2_500 });
  expect(report.messages).toBe(report.produced);
  expect(report.produced).toBeGreaterThan(50);
  expect(site.aborts).toBeGreaterThan(5);
});
