/** A story with everything in it that chance or time has a say in; told twice, it must be the same to the byte. */
import { embed, virtualClock } from '../../src/adapters/memory/testing.ts';

/** @returns what happened, a line each: times, ids, receipts, names of consumers, errors */
export async function story(seed: number): Promise<string> {
  const clock = virtualClock({ seed });
  const lines: string[] = [];
  const say = (...words: unknown[]) => void lines.push(`${clock.now()} ${words.map((word) => JSON.stringify(word)).join(' ')}`);
  const wayside = await embed({ clock, onStatus: ({ state, retryInMs }) => say(state, retryInMs) });
  const orders = wayside.station<number>('orders');
  say(await orders.create({ partitions: 4, retention: { maxAgeMs: 3_600_000 } }));
  const group = orders.group('billing');
  await group.create({ leaseMs: 10_000, maxDeliveries: 4 });

  const work = (name: string) =>
    group.handle(
      async ({ payload, receipt, deliveries, producedAt }) => {
        say(name, payload, receipt, deliveries, producedAt);
        await new Promise<void>((resolve) => clock.after(clock.random() * 20_000, resolve));
        if (payload % 7 === 0) throw new Error(`${name} cannot do ${payload}`);
      },
      { concurrency: 3 },
    );
  const consumers = [work('one'), work('two')];
  const produced: Promise<unknown>[] = [];
  for (let i = 1; i <= 60; i++) {
    produced.push(orders.produce(i, i % 3 === 0 ? { key: `k${i % 5}` } : {}).then((answer) => say('produced', i, answer)));
    if (i % 20 === 0) wayside.disconnect();
    if (i % 30 === 0) wayside.failNext('produce', 'OVERLOADED');
    if (i % 10 === 0) await clock.advance(clock.random() * 3_000);
  }
  await clock.run(Promise.all(produced));
  say(await wayside.call('GET', '/stations/orders/groups/billing/pending'));
  say(await group.info());
  await clock.advance(1_200_000);
  for await (const { id, error, history } of orders.deadLetters.list()) say(id, error, history);
  say(await clock.run(group.fetch({ waitMs: 1_000 })));
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  say(await orders.info(), await group.info());
  await wayside.close();
  say(clock.next());
  return lines.join('\n');
}
