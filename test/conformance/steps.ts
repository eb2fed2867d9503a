/** Steps: acks and outputs in one call; copies of dead letters; redrives at a pace and with a cap. */
import type { Check } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import { texts } from './station.ts';

export const steps: readonly Check[] = [
  {
    name: 'a step acks and produces, once, however often it is asked for; payloads as they came',
    async run(t) {
      const s = await t.station();
      const target = await t.station({ partitions: 2 });
      const g = s.group();
      await s.fill(3);
      const taken = await g.take(3);
      const receipts = taken.map(({ receipt }) => receipt);
      const body = `{"receipts":${JSON.stringify(receipts)},"outputs":[{"station":"${target.name}","messages":[{"payload":{"n": 1.0},"key":"k","headers":{"a":"b"}},{"text":"two"}]}]}`;
      const step = () => t.post(`${g.path}/step`, { body, headers: { 'content-type': 'application/json' } });
      equal(status(await step(), 200).json, { acked: 3, produced: 2, repeated: false }, 'the first time');
      equal(status(await step(), 200).json, { acked: 3, produced: 2, repeated: true }, 'again');
      await t.until('the outputs', async () => (await target.info()).messages === 2);
      const messages = await target.all();
      has(messages.find(({ key }) => key === 'k')!, { payload: { n: 1 }, headers: { a: 'b' } }, 'JSON');
      ok(texts(messages).includes('two'), 'text', messages);
      has(await g.info(), { inFlight: 0, unread: 0 }, 'the group');
      has((await t.get(`${g.path}/audit`)).json, { acknowledged: 3, balanced: true }, 'the sum');
    },
  },
  {
    name: 'a step is refused as a whole: a receipt that does not count, no station, bad outputs',
    async run(t) {
      const s = await t.station();
      const target = await t.station({ maxMessageBytes: 4 });
      const g = s.group();
      await s.fill(2);
      const [one, two] = await g.take(2);
      await g.ack(one!);
      const step = (receipts: unknown, ...outputs: unknown[]) => t.post(`${g.path}/step`, { json: { receipts, outputs } });
      const to = (station: string, text = 'x') => ({ station, messages: [{ text }] });
      refused(await step([one!.receipt, two!.receipt], to(target.name)), 409, 'LEASE_EXPIRED');
      refused(await step(['nonsense'], to(target.name)), 400, 'INVALID_RECEIPT');
      refused(await step([], to(target.name)), 400, 'INVALID_RECEIPT');
      refused(await step([two!.receipt], to(t.name())), 404, 'STATION_NOT_FOUND');
      refused(await step([two!.receipt], to(target.name, 'too long')), 413, 'MESSAGE_TOO_LARGE');
      refused(await step([two!.receipt], { station: target.name, messages: [] }), 400, 'INVALID_REQUEST');
      refused(await step([two!.receipt], { station: target.name, messages: [{ text: 'a', payload: 1 }] }), 400, 'INVALID_REQUEST');
      refused(await step([two!.receipt], { station: target.name, partition: 9, messages: [{ text: 'a' }] }), 400, 'INVALID_REQUEST');
      refused(await step([two!.receipt], { ...to(target.name), more: 1 }), 400, 'INVALID_REQUEST');
      refused(await step(two!.receipt), 400, 'INVALID_REQUEST');
      refused(await t.post(`${g.path}/step`, { body: '[', headers: { 'content-type': 'application/json' } }), 400, 'INVALID_REQUEST');
      equal((await target.info()).messages, 0, 'outputs');
      has(await g.info(), { inFlight: 1 }, 'the group');
      has(status(await step([two!.receipt], to(target.name)), 200).json, { acked: 1, produced: 1 }, 'a good one');
    },
  },
  {
    name: 'copies of dead letters go to the station that is configured, and say where they come from',
    async run(t) {
      const target = await t.station();
      const s = await t.station({ deadLetter: { station: target.name } });
      const g = s.group();
      await s.batch([{ text: 'bad', key: 'k', headers: { own: 'yes' } }]);
      await g.settle('reject', await g.takeOne(), { reason: 'no such customer' });
      await t.until('the copy', async () => (await target.info()).messages === 1);
      const [copy] = await target.all();
      has(copy!, { text: 'bad', key: 'k' }, 'the copy');
      has(
        copy!.headers!,
        { own: 'yes', 'wayside-dead-reason': 'rejected', 'wayside-dead-place': '0.1', 'wayside-dead-error': 'no such customer' },
        'its headers',
      );
      equal((await s.letters()).length, 1, 'the letter stays');
      refused(await t.patch(s.path, { json: { deadLetter: { station: s.name } } }), 400, 'INVALID_REQUEST', 'itself');
      refused(await t.patch(s.path, { json: { deadLetter: { station: t.name() } } }), 404, 'STATION_NOT_FOUND', 'none');
    },
  },
  {
    name: 'redrives are counted, capped and paced; a letter tells what came of its deliveries',
    async run(t) {
      const s = await t.station();
      const g = s.group();
      await g.make({ maxDeliveries: 2 });
      await s.fill(1);
      const redrive = async (json: object) =>
        status(await t.post(`${s.path}/dead-letters/redrive`, { json: { all: true, ...json } }), 200).json;
      const die = async () => {
        for (let delivery = 0; delivery < 2; delivery++) await g.settle('nack', await g.takeOne());
      };
      await die();
      equal(await redrive({ maxRedrives: 1 }), { redriven: 1, kept: 0, left: 0 }, 'the first time');
      await die();
      equal(await redrive({ maxRedrives: 1 }), { redriven: 0, kept: 1, left: 0 }, 'the second time');
      const [letter] = await s.letters();
      has(letter, { redrives: 1, reason: 'max-deliveries' }, 'the letter');
      const events = letter.history.map(({ event }: { event: string }) => event);
      equal(events, ['nacked', 'max-deliveries', 'redriven', 'nacked', 'delivered', 'max-deliveries'], 'its history');
      const begun = Date.now();
      await s.fill(5);
      const { receipts } = { receipts: (await g.take(5)).map(({ receipt }) => receipt) };
      status(await t.post(`${g.path}/reject`, { json: { receipts } }), 200);
      equal(await redrive({ ratePerSecond: 10 }), { redriven: 6, kept: 0, left: 0 }, 'ten a second');
      ok(Date.now() - begun >= 400, 'it takes its time', Date.now() - begun);
      refused(await t.post(`${s.path}/dead-letters/redrive`, { json: { all: true, ratePerSecond: 0 } }), 400, 'INVALID_REQUEST');
    },
  },
];
