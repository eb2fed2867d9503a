/**
 * A station and its groups as a check wants to say it. These calls expect to succeed and give the body; what may be
 * refused is asked through the context (`t.post(s.path, …)`), which gives the answer.
 */
import type { Context } from './checks.ts';
import type { Answer, CallOptions } from './client.ts';
import { equal, ok, status } from './expect.ts';

export interface Placed {
  readonly partition: number;
  readonly sequence: number;
  readonly duplicate: boolean;
  readonly durability: string;
}

export interface Message {
  readonly partition: number;
  readonly sequence: number;
  readonly producedAt: number;
  readonly key?: string;
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly payload?: unknown;
  readonly text?: string;
  readonly base64?: string;
}

export interface Delivered extends Message {
  readonly receipt: string;
  readonly deliveries: number;
}

export const texts = (messages: readonly Message[]): (string | undefined)[] => messages.map(({ text }) => text);
export const sequences = (messages: readonly { readonly sequence: number }[]): number[] => messages.map(({ sequence }) => sequence);
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

export class Station {
  readonly t: Context;
  readonly name: string;
  readonly path: string;

  constructor(t: Context, name: string, root = '/v1') {
    this.t = t;
    this.name = name;
    this.path = `${root}/stations/${name}`;
  }

  async make(config: unknown = {}): Promise<void> {
    status(await this.t.put(this.path, { json: config }), 201, 'making a station');
  }

  async remove(): Promise<void> {
    status(await this.t.delete(this.path), 204, 'removing a station');
  }

  // biome-ignore lint/suspicious/noExplicitAny: the shape is what is being checked
  async info(): Promise<any> {
    return status(await this.t.get(this.path), 200, 'reading a station').json;
  }

  send(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}, query = ''): Promise<Answer> {
    return this.t.post(`${this.path}/messages${query}`, { body, headers: { 'content-type': 'text/plain', ...headers } });
  }

  async produce(body: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>, query?: string): Promise<Placed> {
    return status(await this.send(body, headers, query), 201, 'producing').json;
  }

  /** `m1` … `mN`, in this order, as one batch. */
  async fill(count: number): Promise<void> {
    await this.batch(upTo(count).map((number) => ({ text: `m${number}` })));
  }

  sendBatch(messages: readonly unknown[], rest: object = {}, query = ''): Promise<Answer> {
    return this.t.post(`${this.path}/messages/batch${query}`, { json: { messages, ...rest } });
  }

  async batch(messages: readonly unknown[], rest?: object): Promise<Placed[]> {
    return status(await this.sendBatch(messages, rest), 201, 'producing a batch').json.results;
  }

  sendRecords(records: Uint8Array<ArrayBuffer>, query = ''): Promise<Answer> {
    return this.t.post(`${this.path}/messages/batch${query}`, { records });
  }

  async read(query = 'from=start', options?: CallOptions): Promise<{ messages: Message[]; cursor: string; end: boolean }> {
    return status(await this.t.get(`${this.path}/messages?${query}`, options), 200, 'reading').json;
  }

  /** Everything stored, page by page. */
  async all(query = 'from=start'): Promise<Message[]> {
    const messages: Message[] = [];
    for (let page = await this.read(query); page.messages.length > 0; page = await this.read(`cursor=${page.cursor}`))
      messages.push(...page.messages);
    return messages;
  }

  async stored(expected: readonly string[], what = 'what is stored'): Promise<void> {
    equal(texts(await this.all()), expected, what);
  }

  one(sequence: number, partition = 0): Promise<Answer> {
    return this.t.get(`${this.path}/partitions/${partition}/messages/${sequence}`);
  }

  group(name = 'g'): Group {
    return new Group(this, name);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the shape is what is being checked
  async letters(query = ''): Promise<any[]> {
    return status(await this.t.get(`${this.path}/dead-letters${query}`), 200, 'listing dead letters').json.items;
  }
}

export class Group {
  readonly station: Station;
  readonly path: string;

  constructor(station: Station, name: string) {
    this.station = station;
    this.path = `${station.path}/groups/${name}`;
  }

  async make(config: unknown = {}): Promise<void> {
    status(await this.station.t.put(this.path, { json: config }), 201, 'making a group');
  }

  ask(verb: string, json: unknown, query = ''): Promise<Answer> {
    return this.station.t.post(`${this.path}/${verb}${query}`, { json });
  }

  async fetch(fields: object = {}, query?: string): Promise<Delivered[]> {
    return status(await this.ask('fetch', { consumer: 'c', max: 10, ...fields }, query), 200, 'fetching').json.messages;
  }

  /** Exactly so many, however many calls that takes. */
  async take(count: number, fields: object = {}): Promise<Delivered[]> {
    const messages: Delivered[] = [];
    while (messages.length < count) {
      const more = await this.fetch({ max: count - messages.length, waitMs: 4_000, ...fields });
      ok(more.length > 0, `${count} messages to fetch`, `${messages.length}, then none`);
      messages.push(...more);
    }
    return messages;
  }

  async takeOne(fields?: object): Promise<Delivered> {
    return (await this.take(1, fields))[0]!;
  }

  async settle(verb: string, messages: Delivered | readonly Delivered[], fields: object = {}): Promise<void> {
    status(await this.ask(verb, { receipts: [messages].flat().map(({ receipt }) => receipt), ...fields }), 200, verb);
  }

  ack(messages: Delivered | readonly Delivered[]): Promise<void> {
    return this.settle('ack', messages);
  }

  // biome-ignore lint/suspicious/noExplicitAny: the shape is what is being checked
  async info(): Promise<any> {
    return status(await this.station.t.get(this.path), 200, 'reading a group').json;
  }

  /** Nothing for anyone, for a little while. */
  async isDry(what: string): Promise<void> {
    equal(sequences(await this.fetch({ consumer: 'other', waitMs: 120 })), [], what);
  }
}
