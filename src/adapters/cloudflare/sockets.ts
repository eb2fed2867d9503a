/**
 * A WebSocket of the runtime as a carrier of frames.
 *
 * Holds: the 101 names the subprotocol, or strict clients refuse it; what comes while the session wants nothing waits here, so much and no
 * more. The runtime tells nobody how much waits to be sent: what bounds that is the peer's credit.
 * Elsewhere: who may open one, and what the frames say (gateway/frames/).
 */
import type { Upgrade } from '../../gateway/frames/frames.ts';
import type { PlatformSocket } from './platform.ts';

/** Codes of our own protocol (protocol/frames.ts). */
const TOO_LARGE = 4413;
const TOO_FAST = 4429;
/** Bytes that may wait while the session reads nothing: two of the largest frames. */
const WAITING_FRAMES = 2;

declare const WebSocketPair: new () => { 0: PlatformSocket; 1: PlatformSocket };

/** Two ends of one socket: the client's, to be answered with, and ours. */
export function newSocketPair(): { readonly client: PlatformSocket; readonly server: PlatformSocket } {
  const { 0: client, 1: server } = new WebSocketPair();
  return { client, server };
}

interface Message {
  readonly data: Uint8Array;
  readonly isBinary: boolean;
}

/**
 * @param bytesMax the largest frame
 * @param over is told when it is over, once or more
 */
export function openSocket({ protocol, isBinary, open }: Upgrade, bytesMax: number, over: () => void): Response {
  const { client, server } = newSocketPair();
  server.accept();
  server.binaryType = 'arraybuffer';
  const waiting: Message[] = [];
  let waitingBytes = 0;
  let isPaused = false;
  let isOver = false;
  const end = (act: () => void) => {
    if (isOver) return;
    isOver = true;
    act();
    over();
  };
  const session = open({
    send: (data) => {
      // One that has just gone throws; its close is on its way to us.
      if (!isOver) attempt(() => server.send(isBinary || typeof data === 'string' ? data : new TextDecoder().decode(data)));
    },
    buffered: () => 0,
    close: (code, reason) => end(() => attempt(() => server.close(code, reason))),
    pause: () => {
      isPaused = true;
    },
    resume: () => {
      isPaused = false;
      while (!isPaused && waiting.length > 0) {
        const { data, isBinary: binary } = waiting.shift()!;
        waitingBytes -= data.length;
        session.receive(data, binary);
      }
    },
  });
  server.addEventListener('message', ({ data }) => {
    const message = {
      data: typeof data === 'string' ? new TextEncoder().encode(data) : new Uint8Array(data),
      isBinary: typeof data !== 'string',
    };
    const { length } = message.data;
    if (length > bytesMax) session.end(TOO_LARGE, `The frame has ${length} bytes; ${bytesMax} are allowed.`);
    else if (!isPaused) session.receive(message.data, message.isBinary);
    else {
      waiting.push(message);
      waitingBytes += length;
      if (waitingBytes > WAITING_FRAMES * bytesMax) session.end(TOO_FAST, 'Too much comes before what came earlier is stored.');
    }
  });
  const closed = () => {
    isOver = true;
    session.closed();
    over();
  };
  server.addEventListener('close', () => {
    // The runtime answers no close by itself.
    end(() => attempt(() => server.close(1000, '')));
    closed();
  });
  server.addEventListener('error', closed);
  const headers = { 'Sec-WebSocket-Protocol': protocol };
  return new Response(null, { status: 101, headers, webSocket: client } as ResponseInit);
}

/** Something with a socket whose peer may just have gone. */
export function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // The peer is gone: that is told by its close.
  }
}
