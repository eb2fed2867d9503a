/**
 * Consuming through a group with acks, one consumer. The clock runs from the first call to the answer that says that every
 * ack has been taken; for Wayside and Redis that means on the disk.
 *
 * Each side acks as its users would: Wayside message by message (its client sends ranges), JetStream message by message,
 * Redis with one XACK for what a read brought.
 */
import type { Driven } from '../src/cli/bench/drive.ts';
import type { Load } from './load.ts';
import { among } from './publish.ts';
import type { Row } from './report.ts';
import type { Run } from './rounds.ts';
import { contest } from './rounds.ts';

const MESSAGES = 100_000;
const STREAM = 'bench';

export async function run(run: Run): Promise<Row[]> {
  return among(['redis', 'nats'], 'synced', run, async (entrants) => {
    const name = `consume and ack ${MESSAGES.toLocaleString('en')} × 128 B, 1 consumer, acks synced`;
    const prepare = async (load: Load) => {
      await load.do({ do: 'prepare', stream: STREAM });
      await load.do({ do: 'fill', stream: STREAM, count: MESSAGES });
    };
    const turn = ([load]: readonly Load[], round: number): Promise<Driven> =>
      load!.do<Driven>({ do: 'consume', stream: STREAM, group: `g${round + 1}`, count: MESSAGES });
    const sides = entrants('sdk').map((side) => ({ ...side, goal: undefined }));
    return [await contest({ name, entrants: sides, durability: 'synced', size: 128, clients: 1, prepare, turn }, run)];
  });
}
