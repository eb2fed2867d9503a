/** Export and import over HTTP: streams that break off, bad ones, and what is the same afterwards. */
import type { Check, Context } from './checks.ts';
import { equal, has, ok, refused, status } from './expect.ts';
import { Station } from './station.ts';

/** All of an id but its tag, which is the station's own. */
const placeOf = ({ id }: { readonly id: string }) => id.split('-').slice(0, 3).join('-');
const idOf = ({ id }: { readonly id: string }) => id;
const TYPE = 'application/vnd.wayside.export';

async function exported(t: Context, s: Station): Promise<{ bytes: Uint8Array<ArrayBuffer>; id: string }> {
  const answer = status(await t.get(`/v1/export?station=${s.name}`), 200);
  equal(answer.type, TYPE, 'the type');
  return { bytes: new Uint8Array(answer.bytes), id: answer.header('export-id') ?? '' };
}

const importing = (t: Context, bytes: Uint8Array<ArrayBuffer>, query = '', type = TYPE) =>
  t.post(`/v1/import${query}`, { body: bytes, headers: { 'content-type': type } });

export const transfer: readonly Check[] = [
  {
    name: 'a copy beside the original has the same messages, groups and dead letters, and goes on by itself',
    async run(t) {
      const s = await t.station({ partitions: 2, dedupWindowMs: 60_000 });
      const g = s.group('g');
      await s.batch(Array.from({ length: 20 }, (_, i) => ({ text: `m${i}`, key: `k${i}`, id: `i${i}` })));
      const taken = await g.take(4);
      await g.ack(taken[0]!);
      await g.settle('reject', taken[1]!);
      const { bytes } = await exported(t, s);
      const name = t.name();
      const { stations } = status(await importing(t, bytes, `?station=${name}`), 201).json;
      has(stations[0], { name, messages: 20 }, 'what was imported');
      const copy = new Station(t, name);
      equal(await copy.all(), await s.all(), 'messages');
      const counts = async (each: Station) => {
        const { unread, inFlight, dead } = await each.group('g').info();
        return { unread, inFlight, dead };
      };
      equal(await counts(copy), await counts(s), 'the group');
      equal((await copy.letters()).map(placeOf), (await s.letters()).map(placeOf), 'dead letters');
      ok(idOf((await copy.letters())[0]) !== idOf((await s.letters())[0]), 'an id is of one station');
      const repeat = { messages: [{ text: 'm3', key: 'k3', id: 'i3' }] };
      has(status(await t.post(`${copy.path}/messages/batch`, { json: repeat }), 201).json.results[0], { duplicate: true }, 'a repeat');
      await copy.remove();
      equal((await s.info()).messages, 20, 'the original');
    },
  },
  {
    name: 'an export goes on by its id and offset; one that is unknown is 404',
    async run(t) {
      const s = await t.station();
      await s.fill(50);
      const { bytes, id } = await exported(t, s);
      ok(id.length > 0, 'an id', id);
      const rest = status(await t.get(`/v1/export?id=${id}&offset=${bytes.length - 20}`), 200, 'the last bytes');
      equal([...rest.bytes], [...bytes.slice(-20)], 'the last bytes');
      // Sections are not kept once they have been read.
      refused(await t.get(`/v1/export?id=${id}&offset=10`), 503, 'UNAVAILABLE', 'from the beginning again');
      refused(await t.get('/v1/export?id=nonsense'), 404, 'NOT_FOUND');
      refused(await t.get('/v1/export?offset=5'), 400, 'INVALID_REQUEST');
      refused(await t.get(`/v1/export?id=${id}&station=${s.name}`), 400, 'INVALID_REQUEST');
      refused(await t.get(`/v1/export?station=${t.name()}`), 404, 'STATION_NOT_FOUND');
    },
  },
  {
    name: 'an import that breaks off goes on by its id; nothing is seen of it before',
    async run(t) {
      const s = await t.station();
      await s.fill(50);
      const { bytes } = await exported(t, s);
      const name = t.name();
      const query = `?station=${name}&id=${name}`;
      const half = bytes.length >> 1;
      refused(await importing(t, bytes.slice(0, half), query), 409, 'IMPORT_REFUSED');
      refused(await t.get(`/v1/stations/${name}`), 404, 'STATION_NOT_FOUND');
      const { offset } = status(await t.get(`/v1/import?id=${name}`), 200).json;
      ok(offset > 0 && offset <= half, 'how far it has come', offset);
      refused(await importing(t, bytes, query), 400, 'INVALID_REQUEST', 'from another place');
      status(await importing(t, bytes.slice(offset), `${query}&offset=${offset}`), 201);
      equal((await new Station(t, name).info()).messages, 50, 'messages');
      equal(status(await t.get(`/v1/import?id=${name}`), 200).json, { offset: 0 }, 'afterwards');
    },
  },
  {
    name: 'damaged, newer, foreign, or of another type: refused, and nothing is there',
    async run(t) {
      const s = await t.station();
      await s.fill(5);
      const { bytes } = await exported(t, s);
      const name = t.name();
      const changed = (at: number, to: number) => Uint8Array.from(bytes, (byte, i) => (i === at ? to : byte));
      for (const [what, stream] of [
        ['damaged', changed(bytes.length - 30, bytes.at(-30)! ^ 1)],
        ['newer', changed(3, 99)],
        ['foreign', new TextEncoder().encode('{"messages":[]}')],
        ['empty', new Uint8Array(0)],
      ] as const)
        refused(await importing(t, new Uint8Array(stream), `?station=${name}`), 409, 'IMPORT_REFUSED', what);
      refused(await importing(t, bytes, `?station=${name}`, 'text/plain'), 415, 'UNSUPPORTED_MEDIA_TYPE');
      refused(await importing(t, bytes, '?station=.x'), 400, 'INVALID_NAME');
      refused(await importing(t, bytes), 409, 'IMPORT_REFUSED', 'a station of that name is there');
      refused(await t.get(`/v1/stations/${name}`), 404, 'STATION_NOT_FOUND');
      equal((await s.info()).messages, 5, 'the original');
    },
  },
];
