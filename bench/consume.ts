/**
 * Consuming through a group with acks, by one consumer and by four, and in the order of keys. The clock runs from the first call to the
 * answer that says that every ack has been taken; for Wayside and Redis that means on the disk.
 *
 * Each side acks as its users would: Wayside message by message (its client sends ranges), JetStream message by message,
 * Redis with one XACK for what a read brought. Nobody else has an order of keys: the others are beside it as they are.
 */
import type { Driven } from '../src/cli/bench/drive.ts';
import type { Load } from './load.ts';
import { among } from './publish.ts';
import type { Row } from './report.ts';
import type { Run } from './rounds.ts';
import { contest } from './rounds.ts';

const MESSAGES = 100_000;
const KEYS = 10_000;
const SAID = MESSAGES.toLocaleString('en');

interface Way {
  readonly name: string;
  readonly consumers: number;
  readonly byKey: boolean;
  readonly goals: Readonly<Record<'nats' | 'redis', number>>;
}

const WAYS: readonly Way[] = [
  { name: '1 consumer', consumers: 1, byKey: false, goals: { nats: 8, redis: 4 } },
  { name: '4 consumers', consumers: 4, byKey: false, goals: { nats: 8, redis: 4 } },
  { name: `1 consumer, in the order of ${KEYS.toLocaleString('en')} keys`, consumers: 1, byKey: true, goals: { nats: 3, redis: 3 } },
];

export async function run(run: Run): Promise<Row[]> {
  return among(['redis', 'nats'], 'synced', run, async (entrants) => {
    const rows: Row[] = [];
    for (const [i, way] of WAYS.entries()) {
      rows.push(
        await contest(
          {
            name: `consume and ack ${SAID} × 128 B, ${way.name}, acks synced`,
            entrants: entrants('sdk', way.goals),
            durability: 'synced',
            size: 128,
            keys: way.byKey ? KEYS : undefined,
            clients: way.consumers,
            ...of(`bench-${i}`, way),
          },
          run,
        ),
      );
    }
    return rows;
  });
}

function of(stream: string, { consumers, byKey }: Way) {
  return {
    async prepare(load: Load): Promise<void> {
      await load.do({ do: 'prepare', stream });
      await load.do({ do: 'fill', stream, count: MESSAGES });
    },
    async turn(loads: readonly Load[], round: number): Promise<Driven> {
      const group = `g${round + 1}`;
      await loads[0]!.do({ do: 'makeGroup', stream, group, byKey });
      const count = MESSAGES / consumers;
      const driven = await Promise.all(
        loads.map((load) => load.do<Driven>({ do: 'consume', stream, group, count, isShared: consumers > 1 })),
      );
      await loads[0]!.do({ do: 'removeGroup', stream, group });
      return { messages: MESSAGES, seconds: Math.max(...driven.map(({ seconds }) => seconds)) };
    },
  };
}
