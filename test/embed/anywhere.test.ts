/** `wayside/testing` in a place that has the Web's APIs and nothing of Node: bundled, and run there. */
import { join } from 'node:path';
import vm from 'node:vm';
import { rolldown } from 'rolldown';
import { beforeAll, expect, test } from 'vitest';

/** What browsers, workers and every other runtime have. No process, no Buffer, no setImmediate, no require. */
const WEB = [
  'AbortController',
  'AbortSignal',
  'Event',
  'EventTarget',
  'DOMException',
  'Headers',
  'MessageChannel',
  'ReadableStream',
  'Request',
  'Response',
  'TextDecoder',
  'TextEncoder',
  'TransformStream',
  'URL',
  'URLSearchParams',
  'WritableStream',
  'atob',
  'btoa',
  'clearTimeout',
  'console',
  'crypto',
  'performance',
  'queueMicrotask',
  'setTimeout',
] as const;

let code: string;

beforeAll(async () => {
  const build = await rolldown({
    input: join(import.meta.dirname, '../../src/adapters/memory/testing.ts'),
    platform: 'browser',
    // Whatever could not be put in would have to be there: nothing may be left out.
    external: (id) => {
      if (id.startsWith('node:')) throw new Error(`${id} is imported, which only Node has.`);
      return false;
    },
  });
  const { output } = await build.generate({ format: 'iife', name: 'testing' });
  expect(output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.imports : []))).toEqual([]);
  code = output[0].code;
});

function place(names: readonly (typeof WEB)[number][] = WEB): vm.Context {
  const globals = vm.createContext(Object.fromEntries(names.map((name) => [name, globalThis[name]])));
  vm.runInContext(`globalThis.self = globalThis;\n${code}`, globals);
  return globals;
}

const STORY = `(async () => {
  const clock = testing.virtualClock();
  const wayside = await testing.embed({ clock });
  const orders = wayside.station('orders');
  await orders.create();
  await orders.produce({ total: 12 });
  const group = orders.group('billing');
  const [first] = await group.fetch({ leaseMs: 30000 });
  await clock.advance(31000);
  const [again] = await group.fetch();
  await again.ack();
  const { runtime } = await wayside.health();
  await wayside.close();
  return JSON.stringify({ payloads: [first.payload, again.payload], deliveries: again.deliveries, runtime, left: clock.next() });
})()`;

test('in virtual time', async () => {
  const told = JSON.parse(await vm.runInContext(STORY, place()));
  expect(told).toEqual({ payloads: [{ total: 12 }, { total: 12 }], deliveries: 2, runtime: 'browser' });
});

test('where there is no MessageChannel either', async () => {
  const told = JSON.parse(await vm.runInContext(STORY, place(WEB.filter((name) => name !== 'MessageChannel'))));
  expect(told.deliveries).toBe(2);
});

test('in real time', async () => {
  const story = `(async () => {
    const wayside = await testing.embed();
    const orders = wayside.station('orders');
    await orders.create();
    const waiting = orders.group('billing').fetch({ waitMs: 20000 });
    await orders.produce('one');
    const [message] = await waiting;
    await wayside.close();
    return message.payload;
  })()`;
  expect(await vm.runInContext(story, place())).toBe('one');
});
