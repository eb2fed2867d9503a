/**
 * The Worker in workerd, as a process of its own: `node _serve.ts BUNDLE FOLDER [TOKEN]`. Says its address as the server does,
 * ends on SIGTERM; a kill of its process group takes workerd with it.
 */
import { readFileSync } from 'node:fs';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { COMPATIBILITY } from './_worker.ts';

const [bundle = '', folder = '', token] = process.argv.slice(2);
const miniflare = new Miniflare(
  convertV4MiniflareOptions({
    name: 'wayside',
    modules: [{ type: 'ESModule', path: 'worker.js', contents: readFileSync(bundle, 'utf8') }],
    compatibilityDate: COMPATIBILITY.date,
    compatibilityFlags: [...COMPATIBILITY.flags],
    host: '127.0.0.1',
    port: Number(process.env.PORT ?? 0),
    cf: false,
    durableObjects: { WAYSIDE: { className: 'WaysideObject', useSQLite: true } },
    resourcePersistencePath: folder,
    ...(token === undefined ? {} : { bindings: { WAYSIDE_TOKEN: token } }),
  }),
);
const url = await miniflare.ready;
console.log(`Address  ${url.href.replace(/\/$/, '')} \n`);
// Miniflare would end the process itself, before workerd has ended.
process.removeAllListeners('SIGTERM');
process.once('SIGTERM', () => {
  void miniflare.dispose().then(() => process.exit(0));
});
