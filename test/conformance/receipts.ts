/** §5: a receipt is good for its delivery, its group and its station; what is none is told so, and harms nothing. */
import type { Check } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';

const VERBS = ['ack', 'nack', 'extend', 'reject'] as const;
const CODES = ['INVALID_RECEIPT', 'LEASE_EXPIRED'];

export const receipts: Check[] = VERBS.flatMap((verb): Check[] => [
  {
    name: `${verb}: a receipt that was made up, or changed by one letter, is INVALID_RECEIPT (207), and the good ones beside it count`,
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await s.fill(2);
      const [good, other] = await g.take(2);
      const changed = `${other!.receipt.slice(0, -1)}${other!.receipt.endsWith('0') ? '1' : '0'}`;
      const made = [
        '',
        'x',
        '0.1',
        '0.1.',
        '1.1.abc',
        '-1.1.a-1-1-0000000',
        '0.0.a-1-1-0000000',
        '0.1.__proto__',
        `0.99999999999999999999.${'a'.repeat(30)}`,
        'x'.repeat(5_000),
        '../..',
        changed,
      ];
      const answer = status(await g.ask(verb, { receipts: [...made, good!.receipt] }), 207).json;
      equal(
        answer.failed.map(({ receipt, code }: { receipt: string; code: string }) => [receipt, code]),
        made.map((receipt) => [receipt, 'INVALID_RECEIPT']),
        'what failed',
      );
      has(await g.info(), verb === 'extend' ? { inFlight: 2 } : { inFlight: 1 }, 'the group');
    },
  },
  {
    name: `${verb}: a receipt of another group, another station, or an earlier delivery does not count`,
    async run(t) {
      const s = await t.station();
      const other = await t.station();
      await s.produce('a');
      await other.produce('b');
      const g = s.group();
      const foreign = [await s.group('other').takeOne(), await other.group().takeOne()];
      const stale = await g.takeOne();
      await g.settle('nack', stale);
      const current = await g.takeOne();
      const answer = status(await g.ask(verb, { receipts: [...foreign, stale].map(({ receipt }) => receipt) }), 207).json;
      equal(answer.failed.length, 3, 'how many failed');
      for (const { code } of answer.failed) ok(CODES.includes(code), 'a code for receipts', answer);
      equal(answer.failed[2].code, 'LEASE_EXPIRED', 'the stale one');
      has(await g.info(), { inFlight: 1, dead: 0 }, 'the group');
      await g.ack(current);
      for (const [index, group] of [s.group('other'), other.group()].entries()) await group.ack(foreign[index]!);
    },
  },
  {
    name: `${verb}: nothing of a group that is not there (404)`,
    async run(t) {
      const s = await t.station();
      refused(await s.group('none').ask(verb, { receipts: [] }), 404, 'GROUP_NOT_FOUND');
    },
  },
]);
