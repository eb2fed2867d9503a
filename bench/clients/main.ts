/** The process of one client: opens it, says that it is ready, then does what it is told, one order at a time. */
import type { Driven, Latency } from '../../src/cli/bench/drive.ts';
import { latencyAt, publishCount, publishFor } from '../../src/cli/bench/drive.ts';
import type { Client, ClientOptions, Gather } from './client.ts';

export type Order =
  | { readonly do: 'prepare' | 'clean'; readonly stream: string }
  | { readonly do: 'publish'; readonly stream: string; readonly gather: Gather; readonly ms: number }
  | { readonly do: 'fill'; readonly stream: string; readonly count: number }
  | { readonly do: 'makeGroup'; readonly stream: string; readonly group: string; readonly byKey: boolean }
  | { readonly do: 'removeGroup'; readonly stream: string; readonly group: string }
  | { readonly do: 'consume'; readonly stream: string; readonly group: string; readonly count: number; readonly isShared: boolean }
  | { readonly do: 'latency'; readonly stream: string; readonly perSecond: number; readonly ms: number }
  | { readonly do: 'close' };

export type Said = { readonly done: unknown } | { readonly failed: string };

const options = JSON.parse(process.argv[2] ?? '{}') as ClientOptions;
const { open } = (await import(`./${options.kind}.ts`)) as { open(options: ClientOptions): Client | Promise<Client> };
const client = await open(options);
process.on('message', async (order: Order) => {
  let said: Said;
  try {
    said = { done: (await obey(order)) ?? null };
  } catch (error) {
    said = { failed: (error as Error).stack ?? String(error) };
  }
  process.send?.(said, () => order.do === 'close' && process.exit(0));
});
process.on('disconnect', () => process.exit(1));
process.send?.({ done: null } satisfies Said);

function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'prepare':
      return client.prepare(order.stream);
    case 'clean':
      return client.clean(order.stream);
    case 'fill':
      return publishCount(client.publisher(order.stream, 'batch'), order.count);
    case 'publish':
      return publishFor(client.publisher(order.stream, order.gather), order.ms);
    case 'makeGroup':
      return Promise.resolve(client.makeGroup?.(order.stream, order.group, order.byKey));
    case 'removeGroup':
      return Promise.resolve(client.removeGroup?.(order.stream, order.group));
    case 'consume':
      return consume(order.stream, order.group, order.count, order.isShared);
    case 'latency':
      return latency(order.stream, order.perSecond, order.ms);
    case 'close':
      return client.close();
  }
}

async function consume(stream: string, group: string, count: number, isShared: boolean): Promise<Driven> {
  if (client.consume === undefined) throw new TypeError(`${options.kind} consumes nothing.`);
  const started = performance.now();
  await client.consume(stream, group, count, isShared);
  return { messages: count, seconds: (performance.now() - started) / 1000 };
}

function latency(stream: string, perSecond: number, ms: number): Promise<Latency> {
  const { publish, follow } = client;
  if (publish === undefined || follow === undefined) throw new TypeError(`${options.kind} follows nothing.`);
  return latencyAt({ publish: publish.bind(client), follow: follow.bind(client) }, stream, { perSecond, ms, size: options.size });
}
