/**
 * The bare baseline: the least that a broker of the same promise has to do. A WebSocket server takes the frames of
 * API.md §7, checks each batch's CRC, appends it to one file, syncs, and answers. It knows no station, no id, no reader.
 *
 * Holds: one write and one fdatasync for all batches that wait; while it runs, the next ones gather.
 * Sends its port; ends with SIGTERM.
 */
import { closeSync, fdatasync, openSync, unlinkSync, writevSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { decode, Encoder } from '@msgpack/msgpack';
import type { RawData, WebSocket } from 'ws';
import { WebSocketServer } from 'ws';
import { u32At } from '../../src/core/batch/layout.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { ClientFrame, FrameProduced, ServerFrame } from '../../src/protocol/frames.ts';
import { FRAME_PROTOCOLS } from '../../src/protocol/frames.ts';

interface Peer {
  readonly socket: WebSocket;
  /** Held back while answers are written, so that those of one sync leave as one write. */
  readonly stream: Duplex;
}

interface Waiting {
  readonly peer: Peer;
  readonly id: number;
  readonly records: Uint8Array;
  readonly count: number;
}

const [folder = ''] = process.argv.slice(2);
const path = `${folder}/log`;
const encoder = new Encoder();
let file = openSync(path, 'w');
let waiting: Waiting[] = [];
let writing = false;
let sequence = 1;

const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: 16 * 2 ** 20,
  handleProtocols: () => FRAME_PROTOCOLS[0],
});
const http = createServer();
http.on('upgrade', (request, stream, head) => {
  sockets.handleUpgrade(request, stream, head, (socket) => {
    socket.on('message', (data: RawData) => receive({ socket, stream }, decode(data as Buffer) as ClientFrame));
  });
});
http.listen(0, '127.0.0.1', () => process.send?.((http.address() as AddressInfo).port));
process.on('SIGTERM', () => process.exit(0));
process.on('disconnect', () => process.exit(1));

function receive(peer: Peer, frame: ClientFrame): void {
  if (frame.op === 'hello') send(peer, { op: 'welcome', session: 'bare', limits: {} });
  else if (frame.op === 'produce') take(peer, frame.id, frame.records!);
  else if (frame.op === 'call') {
    if (frame.method === 'PUT') startAnew();
    send(peer, { id: frame.id, ok: { status: 200, body: { partitions: 1, slots: [[0, 4095, 0]] } } });
  } else if (frame.op === 'ping') send(peer, { op: 'pong' });
  else if (frame.op !== 'pong') throw new Error(`The bare server knows no ${frame.op}.`);
}

/** As a new station is: an empty file. */
function startAnew(): void {
  if (writing) throw new Error('Batches are still under way.');
  closeSync(file);
  unlinkSync(path);
  file = openSync(path, 'w');
  sequence = 1;
}

function take(peer: Peer, id: number, records: Uint8Array): void {
  const end = records.length - 4;
  if (crc32c(records, 0, end) !== u32At(records, end)) {
    send(peer, { id, error: { code: 'INVALID_RECORDS', detail: 'The CRC does not match.' } });
    return;
  }
  waiting.push({ peer, id, records, count: u32At(records, 5) });
  // At the end of the turn: frames that came with one read of the socket share a write.
  if (!writing) {
    writing = true;
    setImmediate(write);
  }
}

function write(): void {
  const batches = waiting;
  waiting = [];
  writevSync(
    file,
    batches.map(({ records }) => records),
  );
  fdatasync(file, (error) => {
    if (error) throw error;
    answer(batches);
    if (waiting.length > 0) write();
    else writing = false;
  });
}

function answer(batches: readonly Waiting[]): void {
  const peers = new Set(batches.map(({ peer }) => peer.stream));
  for (const stream of peers) stream.cork();
  for (const { peer, id, count } of batches) {
    const ok: FrameProduced = { ranges: [[0, sequence, count]], duplicates: [], scheduled: [], errors: [], durability: 'synced' };
    send(peer, { id, ok });
    sequence += count;
  }
  for (const stream of peers) stream.uncork();
}

function send({ socket }: Peer, frame: ServerFrame): void {
  socket.send(encoder.encode(frame));
}
