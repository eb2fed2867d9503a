/** Export and import by the SDK, through connections that break. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exportStations, importStations } from '../../src/client/transfer.ts';
import { Client } from '../conformance/client.ts';
import type { BrokerProcess } from '../node/_process.ts';
import { startBroker, temporaryFolder } from '../node/_process.ts';

const data = temporaryFolder();
let broker: BrokerProcess;
let client: Client;
beforeAll(async () => {
  broker = await startBroker({ data: data.path });
  client = new Client(broker.base, undefined);
  await client.call('PUT', '/v1/stations/big', { json: {} });
  const messages = Array.from({ length: 500 }, (_, i) => ({ text: `${i} ${'x'.repeat(10_000)}` }));
  for (let from = 0; from < 500; from += 100)
    await client.call('POST', '/v1/stations/big/messages/batch', { json: { messages: messages.slice(from, from + 100) } });
});
afterAll(async () => {
  await broker.kill();
  data.remove();
});

async function whole(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

/** Lets so many bytes of an answer through, then breaks. */
function breaking(bytesMax: number, breaks: number): typeof fetch {
  let left = breaks;
  return async (...given) => {
    const response = await fetch(...given);
    if (left === 0 || response.body === null) return response;
    left--;
    let bytes = 0;
    const body = response.body.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(piece, controller) {
          controller.enqueue(piece);
          bytes += piece.length;
          if (bytes > bytesMax) controller.error(new TypeError('broken'));
        },
      }),
    );
    return new Response(body, { status: response.status, headers: response.headers });
  };
}

test('an export that breaks off is gone on with, and has the same bytes', async () => {
  const lost: number[] = [];
  const bytes = await whole(
    exportStations(broker.base, { station: 'big', fetch: breaking(4_500_000, 1), onLost: (_, offset) => lost.push(offset) }),
  );
  expect(lost).toHaveLength(1);
  expect(bytes.length).toBeGreaterThan(5_000_000);
  expect(await importStations(broker.base, (offset) => give(bytes.subarray(offset)), { station: 'copy' })).toMatchObject([
    { name: 'copy', messages: 500 },
  ]);
});

test('an import that breaks off is gone on with', async () => {
  const bytes = await whole(exportStations(broker.base, { station: 'big' }));
  const asked: number[] = [];
  const source = async function* (offset: number) {
    asked.push(offset);
    for (let at = offset; at < bytes.length; at += 100_000) {
      yield bytes.subarray(at, Math.min(bytes.length, at + 100_000));
      if (asked.length === 1 && at > 2_000_000) throw new TypeError('broken');
    }
  };
  expect(await importStations(broker.base, source, { station: 'again', namespace: 'other' })).toMatchObject([
    { name: 'again', messages: 500 },
  ]);
  expect(asked).toHaveLength(2);
  expect(asked[1]).toBeGreaterThan(0);
});

test('what is refused is thrown at once', async () => {
  await expect(whole(exportStations(broker.base, { station: 'nowhere' }))).rejects.toMatchObject({ code: 'STATION_NOT_FOUND' });
  await expect(importStations(broker.base, () => give(Buffer.from('nonsense')))).rejects.toMatchObject({ code: 'IMPORT_REFUSED' });
  await expect(whole(exportStations('http://127.0.0.1:9'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

async function* give(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
