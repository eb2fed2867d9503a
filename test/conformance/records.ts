/** §6: nothing that is not exactly a record batch is stored, wherever it is cut or bent. */
import type { Check, Context } from './checks.ts';
import { equal, ok, refused, status } from './expect.ts';
import { batchOf, sealed } from './wsr1.ts';

const WHOLE = batchOf([{ key: 'k', id: 'i', contentType: 'a/b', headers: [['h', 'v']], payload: 'one' }, { payload: 'two' }]);
/** The same without its CRC, to be bent and sealed again. */
const OPEN = [...WHOLE.subarray(0, -4)];

async function wellAndEmpty(t: Context, path: string): Promise<void> {
  equal(status(await t.get(path), 200).json.messages, 0, 'messages');
  status(await t.get('/v1/health'), 200, 'health');
}

export const records: Check[] = [
  {
    name: 'any byte flipped is INVALID_RECORDS, whichever',
    async run(t) {
      const s = await t.station();
      for (let at = 0; at < WHOLE.length; at++) {
        const bent = WHOLE.slice();
        bent[at]! ^= 1 << (at % 8);
        refused(await s.sendRecords(bent), 400, 'INVALID_RECORDS', `byte ${at}`);
      }
      await wellAndEmpty(t, s.path);
    },
  },
  {
    name: 'cut at any length is INVALID_RECORDS, and so is a byte too many',
    async run(t) {
      const s = await t.station();
      for (let length = 0; length < WHOLE.length; length++)
        refused(await s.sendRecords(WHOLE.slice(0, length)), 400, 'INVALID_RECORDS', `${length} bytes`);
      refused(await s.sendRecords(Uint8Array.from([...WHOLE, 0])), 400, 'INVALID_RECORDS', 'one more');
      refused(await s.sendRecords(Uint8Array.from([...WHOLE, ...WHOLE])), 400, 'INVALID_RECORDS', 'twice');
      await wellAndEmpty(t, s.path);
    },
  },
  {
    name: 'lengths, counts, bits and texts that do not fit are INVALID_RECORDS, though the CRC is right',
    async run(t) {
      const s = await t.station();
      const set = (at: number, ...bytes: number[]): number[] =>
        OPEN.map((byte, index) => (index >= at && index < at + bytes.length ? bytes[index - at]! : byte));
      const bent: Record<string, number[]> = {
        'another magic': set(3, 0x32),
        'no CRC promised': set(4, 0),
        'an unknown flag': set(4, 3),
        'one record fewer': set(5, 1),
        'one record more': set(5, 3),
        'four thousand million records': set(5, 0xff, 0xff, 0xff, 0xff),
        'a length beyond the end': set(9, 0xff, 0xff, 0xff, 0x7f),
        'a record beyond the end': set(13, 0xff, 0xff, 0, 0),
        'a record without room for its bits': set(13, 1, 0, 0, 0),
        'an unknown bit': set(17, 0x4f),
        'a key beyond its record': set(19, 0x7f),
        'a key whose length does not end': set(19, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
        'a key that is not UTF-8': set(20, 0xff),
        'no records': [...new TextEncoder().encode('WSR1'), 1, 0, 0, 0, 0, 0, 0, 0, 0],
      };
      for (const [what, bytes] of Object.entries(bent))
        refused(await s.sendRecords(sealed(bytes)), 400, ['INVALID_RECORDS', 'INVALID_REQUEST'], what);
      await wellAndEmpty(t, s.path);
    },
  },
  {
    name: 'any byte replaced, sealed with a right CRC: taken as what it says, or refused; never an error inside',
    async run(t) {
      const s = await t.station();
      for (let at = 0; at < OPEN.length; at++) {
        for (const value of [0, 0x7f, 0x80, 0xff]) {
          const answer = await s.sendRecords(sealed(OPEN.map((byte, index) => (index === at ? value : byte))));
          ok(answer.status < 500, `byte ${at} as ${value}`, String(answer));
          if (answer.status >= 400)
            ok(['INVALID_RECORDS', 'INVALID_REQUEST', 'BATCH_TOO_LARGE'].includes(answer.json.code), 'a code for it', String(answer));
        }
      }
      await s.all();
      status(await t.get('/v1/health'), 200, 'health');
    },
  },
  {
    name: 'a batch of more than 8 MiB is BATCH_TOO_LARGE, with and without a length',
    async run(t) {
      const s = await t.station();
      const large = new Uint8Array(8 * 1024 * 1024 + 1024);
      refused(await s.sendRecords(large), 413, 'BATCH_TOO_LARGE');
      const headers = { 'content-type': 'application/vnd.wayside.records' };
      refused(await t.post(`${s.path}/messages/batch`, { body: new Blob([large]).stream(), headers }), 413, 'BATCH_TOO_LARGE');
      await wellAndEmpty(t, s.path);
    },
  },
  {
    name: '?atomic=true: all or nothing, and which message it failed for; other batches say it in their body',
    async run(t) {
      const s = await t.station({ maxMessageBytes: 8 });
      const part = batchOf([{ payload: 'a' }, { payload: 'far too long' }]);
      const answer = await s.sendRecords(part, '?atomic=true');
      refused(answer, 413, 'MESSAGE_TOO_LARGE');
      equal(answer.json.index, 1, 'the index');
      await s.stored([]);
      equal(status(await s.sendRecords(part, '?atomic=false'), 207).json.errors, [[1, 'MESSAGE_TOO_LARGE']], 'without it');
      status(await s.sendRecords(batchOf([{ payload: 'b' }, { payload: 'c' }]), '?atomic=true'), 201);
      await s.stored(['a', 'b', 'c']);
      refused(await s.sendRecords(part, '?atomic=yes'), 400, 'INVALID_REQUEST', 'another word');
      refused(await s.sendBatch([{ text: 'd' }], {}, '?atomic=true'), 400, 'INVALID_REQUEST', 'a batch of JSON');
    },
  },
];
