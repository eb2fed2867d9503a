/** The two servers of bench/rest.ts in one process, so that both have the same of everything. Sends its ports. */
import { Hono } from 'hono';
import { startHost } from '../src/adapters/node/host.ts';
import { startServer } from '../src/adapters/node/server.ts';

const [folder = ''] = process.argv.slice(2);
const host = await startHost({ data: `${folder}/data`, port: 0 });
for (const durability of ['buffered', 'synced']) {
  const body = JSON.stringify({ durability, retention: { maxMessages: 100_000 } });
  const answer = await fetch(`${host.url}/v1/stations/${durability}`, {
    method: 'PUT',
    body,
    headers: { 'content-type': 'application/json' },
  });
  if (!answer.ok) throw new Error(await answer.text());
}

const app = new Hono();
app.post('/:station/messages', async (c) => {
  const body = await c.req.arrayBuffer();
  return c.json({ partition: 0, sequence: body.byteLength, duplicate: false, durability: 'buffered' }, 201);
});
const bare = await startServer({ fetch: app.fetch, host: '127.0.0.1', port: 0, refusal: () => ({ headers: {}, body: '' }) });

process.send?.({ wayside: Number(new URL(host.url).port), bare: Number(new URL(bare.url).port) });
process.on('SIGTERM', async () => {
  await Promise.all([host.close(), bare.close(1_000)]);
  process.exit(0);
});
