/**
 * The Worker in workerd, as a process of its own: `node _serve.ts BUNDLE FOLDER [TOKEN]`. Says its address as the server does,
 * ends on SIGTERM; a kill of its process group takes workerd with it.
 */
import { workerd } from './_worker.ts';

const [script = '', folder = '', token] = process.argv.slice(2);
const bindings: Record<string, string> = token === undefined ? {} : { WAYSIDE_TOKEN: token };
const runtime = workerd({ script, folder, bindings, port: Number(process.env.PORT ?? 0) });
const url = await runtime.ready;
console.log(`Address  ${url.href.replace(/\/$/, '')} \n`);
// Miniflare would end the process itself, before workerd has ended.
process.removeAllListeners('SIGTERM');
process.once('SIGTERM', () => {
  void runtime.dispose().then(() => process.exit(0));
});
