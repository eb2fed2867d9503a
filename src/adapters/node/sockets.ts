/**
 * WebSockets on Node: handshakes, and each socket as a carrier of frames.
 *
 * Holds: nothing is upgraded that the gateway has not let in; until a peer's first frame was understood it may send
 * little; what is sent in one turn leaves in one write; a flood of frames from one leaves the others their turn; after
 * `close` no socket is left.
 * Elsewhere: what the frames say (gateway/frames/).
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket, WebSocketServer } from 'ws';
import { loadWs } from './ws.ts';

/** What is at the other end of a socket: a session. */
export interface SocketSession {
  receive(data: Uint8Array, isBinary: boolean): void;
  drained(): void;
  closed(): void;
  end(code: number, reason: string): void;
}

export interface SocketWire {
  send(data: string | Uint8Array<ArrayBuffer>): void;
  buffered(): number;
  close(code: number, reason: string): void;
  pause(): void;
  resume(): void;
}

export interface SocketUpgrade {
  readonly protocol: string;
  /** Its messages are binary; else they are text. */
  readonly isBinary: boolean;
  open(wire: SocketWire): SocketSession;
}

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SocketOptions {
  /** Judges a request for a WebSocket. */
  upgrade(request: IncomingMessage): SocketUpgrade | Refusal;
  /** Of a handshake that is none by the protocol's own rules. */
  refusal(text: string): Refusal;
  /** Writes an answer in place of the upgrade, and ends the connection. */
  refuse(socket: Duplex, refusal: Refusal): void;
  /** The largest frame. */
  readonly bytesMax: number;
}

/** Pieces that one message may come in. */
const FRAGMENTS_MAX = 4_096;
/** Bytes that a peer may send before its first frame was taken: a hello, and what follows it at once. */
const FIRST_BYTES_MAX = 256 * 1024;
/** After so many frames others have their turn; those that came with them in one read still count to it. */
const FRAMES_A_TURN = 256;
/** How long a peer has to answer a close. */
const CLOSE_MS_MAX = 5_000;
const TOO_LARGE = 4413;
/** What the library closes with, and what this protocol has for it: too large, and in too many pieces. */
const CODES: Readonly<Record<number, number>> = { 1009: TOO_LARGE, 1008: TOO_LARGE };

export class Sockets {
  readonly #options: SocketOptions;
  readonly #server: WebSocketServer;
  readonly #upgrades = new WeakMap<IncomingMessage, SocketUpgrade>();

  constructor(options: SocketOptions) {
    this.#options = options;
    const ws = loadWs();
    this.#server = new ws.WebSocketServer({
      ...SETTINGS,
      WebSocket: coded(ws.WebSocket),
      maxPayload: options.bytesMax,
      handleProtocols: (_, request) => this.#upgrades.get(request)?.protocol ?? false,
    });
    this.#server.on('wsClientError', (error: Error, socket: Duplex) => options.refuse(socket, options.refusal(error.message)));
  }

  /** A request that asks for an upgrade, with the first bytes that follow it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const judged = this.#options.upgrade(request);
    if ('status' in judged) {
      this.#options.refuse(socket, judged);
      return;
    }
    this.#upgrades.set(request, judged);
    this.#server.handleUpgrade(request, socket, head, (webSocket) => carry(webSocket, socket, judged));
  }

  /** Takes no more; resolves when the last one is gone, which is `graceMs` from now at the latest. */
  async close(graceMs: number): Promise<void> {
    const cut = setTimeout(() => {
      for (const socket of this.#server.clients) socket.terminate();
    }, graceMs);
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
    clearTimeout(cut);
  }
}

/** Between a socket and its session. */
function carry(socket: WebSocket, stream: Duplex, { isBinary, open }: SocketUpgrade): void {
  const sending = { binary: isBinary };
  let corked = false;
  const uncork = () => {
    corked = false;
    stream.uncork();
  };
  let isPaused = false;
  let frames = 0;
  const nextTurn = () => {
    const waited = frames >= FRAMES_A_TURN;
    frames = 0;
    if (waited && !isPaused) socket.resume();
  };
  // One function for all messages: it is called for each that has left, and the session looks whether that matters.
  const taken = () => session.drained();
  const session = open({
    send: (data) => {
      if (socket.readyState !== socket.OPEN) return;
      if (!corked) {
        corked = true;
        stream.cork();
        process.nextTick(uncork);
      }
      socket.send(data, sending, taken);
    },
    buffered: () => socket.bufferedAmount,
    close: (code, reason) => socket.close(code, reason),
    pause: () => {
      isPaused = true;
      socket.pause();
    },
    resume: () => {
      isPaused = false;
      if (frames < FRAMES_A_TURN) socket.resume();
    },
  });
  let firstBytes = 0;
  const count = (bytes: Buffer) => {
    firstBytes += bytes.length;
    if (firstBytes <= FIRST_BYTES_MAX) return;
    session.end(TOO_LARGE, 'The first frame is too large.');
    // What still comes is thrown away, not gathered, so that the peer comes to read why.
    stream.removeAllListeners('data');
    stream.resume();
  };
  stream.on('data', count);
  socket.once('message', () => stream.off('data', count));
  socket.on('message', (data: RawData, isBytes: boolean) => {
    // The system would read one socket that never ends many times before it looks at others.
    if (frames++ === 0) setImmediate(nextTurn);
    if (frames === FRAMES_A_TURN) socket.pause();
    const { buffer, byteOffset, length } = data as Buffer;
    session.receive(new Uint8Array(buffer, byteOffset, length), isBytes);
  });
  socket.on('close', () => session.closed());
  // What is wrong is told by the code that it closes with.
  socket.on('error', () => undefined);
}

const SETTINGS = {
  noServer: true,
  maxFragments: FRAGMENTS_MAX,
  perMessageDeflate: false,
  // Texts are judged with the frame, so that a bad one has that frame's code.
  skipUTF8Validation: true,
  closeTimeout: CLOSE_MS_MAX,
} as const;

/** Sockets that close with the codes of this protocol. */
function coded(Plain: typeof WebSocket): typeof WebSocket {
  return class extends Plain {
    override close(code?: number, data?: string | Buffer): void {
      super.close(code === undefined ? code : (CODES[code] ?? code), data);
    }
  };
}
