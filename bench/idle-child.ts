/** A broker with its gateway on a folder. Sends its address; asked by any message, sends what the process takes when it is quiet. */
import { setTimeout as sleep } from 'node:timers/promises';
import { startHost } from '../src/adapters/node/host.ts';

const [data = ''] = process.argv.slice(2);
const host = await startHost({ data, port: 0 });
process.on('message', async () => {
  await sleep(1_000);
  globalThis.gc?.();
  await sleep(500);
  process.send?.(process.memoryUsage.rss() / 2 ** 20);
});
process.on('disconnect', () => process.exit(0));
process.send?.(host.url);
