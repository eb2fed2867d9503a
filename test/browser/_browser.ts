/**
 * Chromium, and a small site of ours for it: pages, the worker, the Service Worker.
 *
 * Holds: the browser is the system's (Debian's package chromium), found or installed by scripts/setup.ts; the site is served from
 * localhost, so that it is a secure context, as a static server would serve it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Browser, BrowserContext } from 'playwright-core';
import { chromium } from 'playwright-core';
import { program } from '../../scripts/setup.ts';

const PAGES = join(import.meta.dirname, 'pages');
const ENTRIES = {
  page: join(PAGES, 'page.ts'),
  contract: join(PAGES, 'contract.ts'),
  sw: join(PAGES, 'sw.ts'),
  worker: join(import.meta.dirname, '../../src/adapters/browser/worker.ts'),
};

export interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

/** `/NAME.html` is an empty page with the script NAME; `/empty.html` has none. */
export async function startSite(port = 0): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'wayside-site-'));
  await build({ entryPoints: ENTRIES, outdir: folder, bundle: true, format: 'esm', target: 'es2024', logLevel: 'error' });
  const server = createServer(({ url = '/' }, response) => {
    const [, name = '', kind = ''] = /^\/([a-z]+)\.(html|js)(?:\?.*)?$/.exec(url) ?? [];
    if (url === '/favicon.ico') response.writeHead(204).end();
    else if (kind === 'html') {
      const script = name === 'empty' ? '' : `<script type="module" src="/${name}.js"></script>`;
      response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(`<!doctype html><title>${name}</title>${script}`);
    } else if (kind === 'js' && Object.hasOwn(ENTRIES, name)) {
      response.writeHead(200, { 'Content-Type': 'text/javascript; charset=utf-8' }).end(readFileSync(join(folder, `${name}.js`)));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
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
