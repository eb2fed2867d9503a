/**
 * The clients' memory, where it is easily wrong: they must not report what the broker may do.
 * Elsewhere: that they report what it may not do (planted.test.ts).
 */
import { expect, test } from 'vitest';
import type { Broker } from '../../src/core/broker.ts';
import { Bench } from '../core/_broker.ts';
import { GroupLife, StationLife, StationSlot, Told } from './checkers/told.ts';
import { drawProfile } from './workloads/broker.ts';
import type { Outcome, Stage } from './workloads/clients.ts';
import { Clients, Consumer, NAMESPACE } from './workloads/clients.ts';

/** A broker that never fails, with the station `s` and its group `g`. An answer to a fetch can be held back. */
class HeldStage implements Stage {
  readonly bench: Bench;
  readonly told: Told;
  readonly habits: Stage['habits'];
  /** Answers to fetches wait for it. */
  held: Promise<void> | undefined;

  private constructor(bench: Bench, told: Told) {
    this.bench = bench;
    this.told = told;
    const { habits } = drawProfile(bench.world.chance.fork('profile'));
    const admin = { ...habits.admin };
    for (const call of Object.keys(admin) as (keyof typeof admin)[]) admin[call] = call === 'redrive' ? 1 : 0;
    this.habits = { ...habits, admin, waits: 0 };
  }

  static async open(): Promise<HeldStage> {
    const bench = new Bench({ limits: { leaseMsMin: 10 } });
    const broker = await bench.open();
    const slot = new StationSlot('s', {}, ['g']);
    const group = slot.groups[0]!;
    const config = { maxDeliveries: 1, leaseMs: 100 };
    slot.life = new StationLife(slot, slot.config);
    group.life = new GroupLife(group, slot.life, config, { place: 'start', at: 0, lasts: [0] });
    await broker.putStation(NAMESPACE, slot.name, slot.config);
    await broker.putGroup(NAMESPACE, slot.name, group.name, config);
    return new HeldStage(bench, new Told([slot]));
  }

  now(): number {
    return this.bench.world.time;
  }

  brokerNow(): number {
    return this.bench.process.now();
  }

  brokerLeast(): number {
    return this.bench.process.now();
  }

  isOver(): boolean {
    return false;
  }

  async call<T>(what: string, ask: (broker: Broker) => Promise<T>): Promise<Outcome<T>> {
    const { held } = this;
    const value = await ask(this.bench.broker);
    if (what.startsWith('fetch')) await held;
    return { is: 'answered', value };
  }

  pause(ms: number): Promise<void> {
    return this.bench.pass(ms);
  }

  count(): void {}
}

test('a message that died and was redriven before anybody was told of its lease is counted anew', async () => {
  const stage = await HeldStage.open();
  const { chance } = stage.bench.world;
  const clients = new Clients(stage, chance.fork('clients'));
  const consumer = new Consumer(stage, chance.fork('consumer'), 'c');
  const [slot] = stage.told.slots;
  const group = slot!.groups[0]!;
  await clients.produceOne(slot!);
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.held = promise;
  const late = consumer.fetch(group, {});
  await stage.bench.pass(500);
  expect((await stage.bench.broker.deadLetters(NAMESPACE, 's', {})).items).toMatchObject([{ deliveries: 1 }]);
  await clients.administer(1);
  resolve();
  stage.held = undefined;
  expect(await late).toMatchObject([{ deliveries: 1 }]);
  expect(await consumer.fetch(group, {})).toMatchObject([{ deliveries: 1 }]);
});
