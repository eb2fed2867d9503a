/**
 * Chromium, and a small site of ours for it: pages, the worker, the Service Worker.
 *
 * Holds: the browser is the system's (Debian's package chromium), found or installed by scripts/setup.ts; the site is served from
 * localhost, so that it is a secure context, as a static server would serve it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { build } from 'esbuild';
import type { Browser, BrowserContext } from 'playwright-core';
import { chromium } from 'playwright-core';
import { program } from '../../scripts/setup.ts';

/** As much as the broker itself judges. */
const HEADER_BYTES_MAX = 64 * 1024;
const PAGES = join(import.meta.dirname, 'pages');
const ENTRIES = {
  page: join(PAGES, 'page.ts'),
  contract: join(PAGES, 'contract.ts'),
  sw: join(PAGES, 'sw.ts'),
  bridge: join(PAGES, 'bridge.ts'),
  bridgeworker: join(PAGES, 'bridgeworker.ts'),
  worker: join(import.meta.dirname, '../../src/adapters/browser/worker.ts'),
};

export interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

/** What a site does with what is none of its files. */
export interface Beside {
  request(request: IncomingMessage, response: ServerResponse): unknown;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** `/NAME.html` is an empty page with the script NAME; `/empty.html` has none. */
/** @param more scripts beside the usual ones, by name */
export async function startSite(beside?: Beside, more: Readonly<Record<string, string>> = {}): Promise<Site> {
  const entries: Readonly<Record<string, string>> = { ...ENTRIES, ...more };
  const folder = mkdtempSync(join(tmpdir(), 'wayside-site-'));
  await build({ entryPoints: entries, outdir: folder, bundle: true, format: 'esm', target: 'es2024', logLevel: 'error' });
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
    const { url = '/' } = request;
    const [, name = '', kind = ''] = /^\/([a-z]+)\.(html|js)(?:\?.*)?$/.exec(url) ?? [];
    if (url === '/favicon.ico') response.writeHead(204).end();
    else if (kind === 'html') {
      const script = name === 'empty' ? '' : `<script type="module" src="/${name}.js"></script>`;
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(`<!doctype html><title>${name}</title>${script}`);
    } else if (kind === 'js' && Object.hasOwn(entries, name)) {
      response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' }).end(readFileSync(join(folder, `${name}.js`)));
    } else if (beside !== undefined) void beside.request(request, response);
    else response.writeHead(404).end();
  });
  if (beside !== undefined) server.on('upgrade', beside.upgrade);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
}

const FLAGS = ['--no-sandbox', '--disable-background-timer-throttling', '--disable-renderer-backgrounding'];

export async function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: program('chromium').path, args: FLAGS });
}

/** A browser with a profile that stays. */
export async function startProfile(profile: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, { executablePath: program('chromium').path, args: FLAGS });
}
