/**
 * The clients: producers of singles and batches, consumers that ack, give back, reject, or let a lease run out.
 *
 * Holds: a produce without a certain answer is kept and sent again, with the same ids and bytes, until it has one; what is
 * written down is what was answered. Elsewhere: what may never be otherwise (ledger.ts).
 */

import { BatchBuilder } from '../../src/core/batch/build.ts';
import { Client } from '../conformance/client.ts';
import type { Delivery, GroupLedger, Sent, StationLedger } from './ledger.ts';
import { placeOf, Violation } from './ledger.ts';
import { Chance } from './random.ts';

export interface Tally {
  produced: number;
  /** Produce calls that had no certain answer and were sent again. */
  open: number;
  /** Of the messages sent again, those that had been stored already. */
  repeats: number;
  delivered: number;
  redelivered: number;
  acked: number;
  rejected: number;
}

type Form = 'single' | 'json' | 'records';

interface Pending {
  readonly station: StationLedger;
  readonly form: Form;
  readonly messages: readonly Sent[];
  readonly partition: number | undefined;
}

/** Answers that leave open whether the call counted. */
class Open extends Error {}

const KEYS = ['', 'a', 'b', 'c', 'd', 'ü', 'a longer key than the others'];

export class Load {
  readonly tally: Tally = { produced: 0, open: 0, repeats: 0, delivered: 0, redelivered: 0, acked: 0, rejected: 0 };
  readonly #stations: readonly StationLedger[];
  readonly #chance: Chance;
  readonly #opens: ReadonlySet<string>;
  /** Kept over kills: each is sent again first of all. */
  readonly #pending: Pending[] = [];
  #serial = 0;

  /** @param opens refusals (503) that leave open whether a call counted, beside SHUTTING_DOWN */
  constructor(stations: readonly StationLedger[], seed: number, opens: readonly string[] = []) {
    this.#opens = new Set(['SHUTTING_DOWN', ...opens]);
    this.#stations = stations;
    this.#chance = new Chance(seed);
  }

  /** Sends and consumes until the signal: the broker may die at any time. @throws Violation */
  async run(base: string, signal: AbortSignal): Promise<void> {
    const client = new Client(base, undefined);
    const producers = Array.from({ length: 6 }, () => this.#produceUntil(client, signal));
    const consumers = this.#stations.flatMap((station) =>
      Object.values(station.groups).flatMap((group) =>
        ['one', 'two'].map((name) => this.#consumeUntil(client, station, group, name, signal)),
      ),
    );
    await Promise.all([...producers, ...consumers]);
  }

  /** Sends again what has no certain answer; then there is none without. */
  async settlePending(base: string): Promise<void> {
    const client = new Client(base, undefined);
    for (const pending of this.#pending.splice(0)) await this.#produce(client, pending, true);
  }

  /** Consumes until every group has had everything, and acks all of it. */
  async drain(base: string, signal: AbortSignal): Promise<void> {
    const client = new Client(base, undefined);
    for (const station of this.#stations) {
      for (const group of Object.values(station.groups)) {
        const path = `/v1/stations/${station.name}/groups/${group.name}`;
        for (;;) {
          signal.throwIfAborted();
          const messages = await this.#fetch(client, path, group, { consumer: 'last', max: 1_000, waitMs: 200, leaseMs: 30_000 });
          if (messages.length > 0) await this.#settle(client, path, group, 'ack', messages);
          else {
            const { unread, inFlight } = (await client.call('GET', path)).json;
            if (unread === 0 && inFlight === 0) break;
          }
        }
      }
    }
  }

  async #produceUntil(client: Client, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pending = this.#pending.shift();
      const call = pending ?? this.#compose();
      try {
        await this.#produce(client, call, pending !== undefined);
      } catch (error) {
        if (!(error instanceof Open)) throw error;
        this.tally.open += 1;
        this.#pending.push(call);
        if (signal.aborted) return;
        await tick();
      }
    }
  }

  #compose(): Pending {
    const chance = this.#chance;
    const station = chance.one(this.#stations);
    const form = chance.one<Form>(['single', 'single', 'json', 'records']);
    const count = form === 'single' ? 1 : chance.whole(2, 25);
    const messages = Array.from({ length: count }, (): Sent => {
      this.#serial += 1;
      const key = chance.one(KEYS) || undefined;
      const size = chance.is(0.02) ? chance.whole(5_000, 40_000) : chance.whole(0, 300);
      const message = { id: `${station.name}-${this.#serial}`, key, text: `${this.#serial} ${'wayside '.repeat(size / 8)}` };
      station.sent.set(message.id, message);
      return message;
    });
    return {
      station,
      form,
      messages,
      partition: form === 'records' && chance.is(0.3) ? chance.whole(0, station.partitions - 1) : undefined,
    };
  }

  async #produce(client: Client, { station, form, messages, partition }: Pending, isAgain: boolean): Promise<void> {
    const path = `/v1/stations/${station.name}/messages`;
    const stored = (message: Sent, place: { partition: number; sequence: number; duplicate: boolean }): void => {
      station.stored(message, place.partition, place.sequence);
      if (!isAgain && place.duplicate) throw new Violation(`${station.name}: ${message.id} was sent once, and is a duplicate`);
      if (place.duplicate) this.tally.repeats += 1;
      this.tally.produced += 1;
    };
    if (form === 'single') {
      const [message] = messages as [Sent];
      const key: Record<string, string> = message.key === undefined ? {} : { 'message-key': latin1(message.key) };
      const answer = await this.#certain(
        client.call('POST', path, { body: message.text, headers: { 'idempotency-key': message.id, ...key } }),
        [200, 201],
      );
      stored(message, answer);
      return;
    }
    if (form === 'json') {
      const json = { messages: messages.map(({ id, key, text }) => ({ id, text, ...(key === undefined ? {} : { key }) })) };
      const { results } = await this.#certain(client.call('POST', `${path}/batch`, { json }), [201]);
      for (const [index, message] of messages.entries()) stored(message, results[index]);
      return;
    }
    const batch = new BatchBuilder();
    for (const { id, key, text } of messages) batch.append({ id, key, payload: new TextEncoder().encode(text) });
    const query = partition === undefined ? '' : `?partition=${partition}`;
    const { ranges, duplicates, errors } = await this.#certain(
      client.call('POST', `${path}/batch${query}`, { records: batch.finish() }),
      [201],
    );
    if (errors.length > 0) throw new Violation(`${station.name}: a batch is refused in part: ${JSON.stringify(errors)}`);
    for (const [index, at, sequence] of duplicates) stored(messages[index]!, { partition: at, sequence, duplicate: true });
    // Which message went where is told by partition only: what each was is looked at when it is read (verify.ts).
    const count = ranges.reduce((sum: number, range: number[]) => sum + range[2]!, 0);
    if (count + duplicates.length !== messages.length)
      throw new Violation(`${station.name}: ${messages.length} messages were sent, ${count} stored and ${duplicates.length} known`);
    const known = new Set(duplicates.map(([index]: number[]) => index));
    const fresh = messages.filter((_, index) => !known.has(index));
    if (ranges.length === 1)
      for (const [index, message] of fresh.entries())
        stored(message, { partition: ranges[0][0], sequence: ranges[0][1] + index, duplicate: false });
    else for (const message of fresh) this.#spread(station, message, ranges);
  }

  /** A batch over several partitions: the message is in one of these ranges. */
  #spread(station: StationLedger, message: Sent, ranges: readonly (readonly [number, number, number])[]): void {
    station.somewhere.set(message.id, ranges);
    this.tally.produced += 1;
  }

  async #consumeUntil(client: Client, station: StationLedger, group: GroupLedger, name: string, signal: AbortSignal): Promise<void> {
    const path = `/v1/stations/${station.name}/groups/${group.name}`;
    const chance = this.#chance;
    while (!signal.aborted) {
      try {
        const messages = await this.#fetch(client, path, group, {
          consumer: name,
          max: chance.whole(1, 60),
          waitMs: 300,
          leaseMs: chance.is(0.5) ? 1_000 : 3_000,
        });
        const [acked, given, rejected]: Delivery[][] = [[], [], []];
        for (const message of messages) {
          const fate = chance.next();
          if (fate < 0.8) acked!.push(message);
          else if (fate < 0.9) given!.push(message);
          else if (fate < 0.905) rejected!.push(message);
        }
        await this.#settle(client, path, group, 'ack', acked!);
        await this.#settle(client, path, group, 'nack', given!);
        await this.#settle(client, path, group, 'reject', rejected!);
      } catch (error) {
        if (!(error instanceof Open)) throw error;
        await tick();
      }
    }
  }

  async #fetch(client: Client, path: string, group: GroupLedger, json: object): Promise<(Delivery & { receipt: string })[]> {
    const askedAt = performance.now();
    const { messages } = await this.#certain(client.call('POST', `${path}/fetch`, { json }), [200]);
    const now = performance.now();
    for (const message of messages) {
      group.delivered({ ...message, text: message.text ?? atob(message.base64 ?? '') }, askedAt, now);
      this.tally.delivered += 1;
      if (message.deliveries > 1) this.tally.redelivered += 1;
    }
    return messages;
  }

  async #settle(
    client: Client,
    path: string,
    group: GroupLedger,
    verb: 'ack' | 'nack' | 'reject',
    messages: readonly (Delivery & { receipt?: string })[],
  ): Promise<void> {
    if (messages.length === 0) return;
    const receipts = messages.map(({ receipt }) => receipt);
    let answer: { failed: { receipt: string; code: string }[] };
    try {
      answer = await this.#certain(client.call('POST', `${path}/${verb}`, { json: { receipts } }), [200, 207]);
    } catch (error) {
      if (verb === 'reject') for (const { partition, sequence } of messages) group.maybeDead(placeOf(partition, sequence));
      throw error;
    }
    const failed = new Set(
      answer.failed.map(({ receipt, code }) => {
        if (code !== 'LEASE_EXPIRED') throw new Violation(`${path}: a receipt that was given out is ${code}`);
        return receipt;
      }),
    );
    if (verb === 'nack') return;
    const now = performance.now();
    for (const { partition, sequence, receipt } of messages) {
      if (failed.has(receipt!)) continue;
      group.settled(verb, placeOf(partition, sequence), now);
      this.tally[verb === 'ack' ? 'acked' : 'rejected'] += 1;
    }
  }

  /** The answer's body. @throws Open nobody knows whether it counted; Violation it was refused without a reason */
  // biome-ignore lint/suspicious/noExplicitAny: of several calls
  async #certain(call: ReturnType<Client['call']>, expected: readonly number[]): Promise<any> {
    let answer: Awaited<typeof call>;
    try {
      answer = await call;
    } catch {
      throw new Open();
    }
    if (expected.includes(answer.status)) return answer.json;
    if (answer.status === 503 && this.#opens.has(answer.json.code)) throw new Open();
    throw new Violation(`not expected, while nothing was wrong but that the process died: ${answer}`);
  }
}

/** Header bytes are UTF-8, one letter of a header each. */
function latin1(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
