/**
 * Produces of one session to one station are stored in the order sent, whatever the station is doing: being made, being
 * opened, being changed.
 */
import { describe, expect, it } from 'vitest';
import type { Client, World } from './_frames.ts';
import { world } from './_frames.ts';

const CARRIERS: Record<string, (w: World) => Promise<Client>> = {
  objects: (w) => w.link(),
  msgpack: (w) => w.wire('wayside.msgpack.v1'),
  json: (w) => w.wire('wayside.json.v1'),
};

/** What is stored, in the order in which it is. */
async function stored(w: World, station: string, partition = 0): Promise<string[]> {
  const client = await w.link();
  const { body } = await client.do('call', {
    method: 'GET',
    path: `/v1/stations/${station}/messages?from=start&partition=${partition}&limit=10000`,
  });
  return body.messages.map(({ text }: { text: string }) => text);
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);
const produce = (client: Client, station: string, text: string, more: object = {}) =>
  client.do('produce', { station, messages: [{ text }], ...more });

describe.each(Object.entries(CARRIERS))('%s', (_, open) => {
  it('while its partition is being opened', async () => {
    const w = await world();
    // Nobody has asked anything of it: the first produce opens it, the others come meanwhile.
    await w.broker.putStation('default', 'cold', { partitions: 4 });
    const client = await open(w);
    await Promise.all(names(40).map((text, i) => produce(client, 'cold', text, { partition: i % 4 })));
    for (let partition = 0; partition < 4; partition++)
      expect(await stored(w, 'cold', partition)).toEqual(names(40).filter((__, i) => i % 4 === partition));
  });

  it('while it is being opened, more in each of the turns that this takes', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const w = await world();
      await w.broker.putStation('default', 'cold', {});
      const client = await open(w);
      const answers: Promise<unknown>[] = [];
      for (const text of names(20)) {
        answers.push(produce(client, 'cold', text));
        for (let i = 0; i < turns; i++) await Promise.resolve();
      }
      await Promise.all(answers);
      expect(await stored(w, 'cold'), `${turns} turns between two`).toEqual(names(20));
    }
  });

  it('while its configuration changes', async () => {
    for (let round = 0; round < 20; round++) {
      const w = await world();
      const station = await w.station();
      const client = await open(w);
      const changing: Promise<unknown>[] = [];
      const answers = names(30).map((text, i) => {
        if (i % 7 === round % 7) changing.push(w.broker.patchStation('default', station, { dedupWindowMs: 1000 + i }));
        return produce(client, station, text);
      });
      await Promise.all([...answers, ...changing]);
      expect(await stored(w, station)).toEqual(names(30));
    }
  });

  it('behind the call that makes it, none of them waited for', async () => {
    const w = await world();
    const client = await open(w);
    const made = client.do('call', { method: 'PUT', path: '/v1/stations/new', body: {} });
    const answers = await Promise.all(names(10).map((text) => client.ask('produce', { station: 'new', messages: [{ text }] })));
    await made;
    const taken = names(10).filter((__, i) => answers[i].ok !== undefined);
    expect(await stored(w, 'new')).toEqual(taken);
  });

  it('records and messages by turns, refused ones between', async () => {
    const w = await world();
    const station = await w.station({ maxMessageBytes: 8 });
    const client = await open(w);
    await Promise.all([
      ...names(5).map((text) => produce(client, station, text)),
      client.ask('produce', { station, messages: [{ text: 'far too long' }, { text: 'n0' }] }),
      client.ask('produce', { station, messages: [] }),
      produce(client, station, 'n1'),
    ]);
    expect(await stored(w, station)).toEqual([...names(5), 'n0', 'n1']);
  });
});
