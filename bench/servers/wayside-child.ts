/** A broker with its gateway on a folder. Sends its port; ends with SIGTERM. */
import { startHost } from '../../src/adapters/node/host.ts';

const [data = ''] = process.argv.slice(2);
const host = await startHost({ data, port: 0 });
process.on('SIGTERM', async () => {
  await host.close();
  process.exit(0);
});
process.on('disconnect', () => process.exit(1));
process.send?.(Number(new URL(host.url).port));
