/**
 * The page of examples/in-browser, as files that any static server can serve, and one that does.
 *
 *     npm run demo               builds dist/in-browser, serves it at http://localhost:4310 (PORT)
 *     npm run demo -- --build    builds it
 */
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const FOLDER = join(ROOT, 'dist/in-browser');
const ENTRIES = ['index', 'worker', 'service-worker'].map((name) => join(ROOT, `src/adapters/browser/${name}.ts`));
const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' };

export async function buildDemo(folder = FOLDER): Promise<string> {
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(ROOT, 'examples/in-browser'), folder, { recursive: true });
  await build({
    entryPoints: ENTRIES,
    outdir: join(folder, 'lib'),
    bundle: true,
    format: 'esm',
    target: 'es2023',
    minify: true,
    logLevel: 'warning',
  });
  return folder;
}

/** @param port 0 for any that is free. @returns where it is served */
export async function serveDemo(folder: string, port: number): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer(({ url = '/' }, response) => {
    const path = normalize(new URL(url, 'http://localhost').pathname);
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
    const type = TYPES[extname(file)];
    let content: Buffer | undefined;
    try {
      if (type !== undefined) content = readFileSync(file);
    } catch {
      content = undefined; // there is none
    }
    if (content === undefined) response.writeHead(404).end();
    else response.writeHead(200, { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'no-cache' }).end(content);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const { port: taken } = server.address() as { port: number };
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://localhost:${taken}/`, close };
}

if (import.meta.main) {
  const folder = await buildDemo();
  if (process.argv.includes('--build')) console.log(`Built in ${folder}: serve it from any static server, over https or from localhost.`);
  else {
    const { url } = await serveDemo(folder, Number(process.env.PORT ?? 4310));
    console.log(`\n  ${url}   the broker in a page; Ctrl-C ends the server, and the page goes on without it\n`);
  }
}
