/**
 * A link over a WebSocket, in msgpack.
 *
 * Holds: what comes is decoded before anybody sees it; bytes that are no frame end the link.
 * Elsewhere: what frames mean (connection.ts), the next link (transport.ts).
 */
import type { ServerFrame } from '../../protocol/frames.ts';
import { lasting, reasonOf, WaysideError } from '../errors.ts';
import type { Link, LinkEnd } from './link.ts';
import { decodeMsgpack, MsgpackEncoder } from './msgpack.ts';

/** As much of the browsers' WebSocket as the SDK uses; that of the package `ws` fits as well. */
export interface WebSocketLike {
  /** The SDK sets `arraybuffer`. */
  binaryType: string;
  /** The subprotocol that the server has picked. */
  readonly protocol: string;
  /** Bytes that were sent and have not left yet. */
  readonly bufferedAmount: number;
  /** Called when it is open. */
  onopen: ((event: never) => unknown) | null;
  /** Called with each message, as `data`. */
  onmessage: ((event: never) => unknown) | null;
  /** Called when it has ended, with `code` and `reason`. */
  onclose: ((event: never) => unknown) | null;
  /** Called before it ends for a failure. */
  onerror: ((event: never) => unknown) | null;
  /** Takes the bytes before it returns. */
  send(data: Uint8Array<ArrayBuffer>): void;
  /** Ends it. */
  close(code?: number, reason?: string): void;
}

/** The class of such a WebSocket. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** The one that this SDK speaks. */
const PROTOCOL = 'wayside.msgpack.v1';
/** Normal closure, by us. */
const BYE = 1000;

/** One buffer for all links: a WebSocket takes the bytes before `send` returns. */
const ENCODER = new MsgpackEncoder();

/** @throws UNAVAILABLE nobody answers there, or it speaks another protocol */
export function openWebSocket(url: string, Given: WebSocketClass | undefined, signal: AbortSignal): Promise<Link> {
  const WebSocket = Given ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (WebSocket === undefined) {
    throw lasting(
      "This runtime has no WebSocket (Node has one from 22 on). Give one in the options, as WebSocket of the package 'ws', or choose transport: 'http'.",
    );
  }
  return new Promise((resolve, reject) => {
    let socket: WebSocketLike;
    try {
      socket = new WebSocket(url, [PROTOCOL]);
    } catch (cause) {
      return reject(lasting(`No WebSocket can be opened to ${url}: ${reasonOf(cause)}`, { cause }));
    }
    socket.binaryType = 'arraybuffer';
    const failed = (why: string) =>
      reject(
        new WaysideError('UNAVAILABLE', `No broker answers at ${url}${why}. Start one, or check the address.`, { outcome: 'refused' }),
      );
    const giveUp = () => {
      socket.close();
      failed(' in time');
    };
    signal.addEventListener('abort', giveUp, { once: true });
    // Node and ws say why in the error; browsers tell nobody. The close that follows finds the promise settled.
    socket.onerror = ({ message, error }: { message?: unknown; error?: unknown }) =>
      failed(message ? `: ${message}` : error ? `: ${reasonOf(error)}` : '');
    socket.onclose = (event: LinkEnd) => failed(event.reason ? `: ${event.reason}` : '');
    socket.onopen = () => {
      signal.removeEventListener('abort', giveUp);
      if (socket.protocol === PROTOCOL) return resolve(new WebSocketLink(socket));
      socket.close(BYE);
      reject(lasting(`What answers at ${url} does not speak ${PROTOCOL}. It is no Wayside broker, or another version.`));
    };
  });
}

class WebSocketLink implements Link {
  onFrame: Link['onFrame'];
  onClose: Link['onClose'];
  readonly #socket: WebSocketLike;
  #isOpen = true;

  constructor(socket: WebSocketLike) {
    this.#socket = socket;
    socket.onmessage = ({ data }: { data: unknown }) => this.#receive(data);
    socket.onclose = ({ code, reason }: LinkEnd) => this.#end({ code, reason });
    // A close follows.
    socket.onerror = () => undefined;
  }

  send(frame: Parameters<Link['send']>[0]): void {
    if (this.#isOpen) this.#socket.send(ENCODER.encode(frame));
  }

  close(): void {
    this.#end({ code: BYE });
    this.#socket.close(BYE);
  }

  buffered(): number {
    return this.#socket.bufferedAmount;
  }

  #receive(data: unknown): void {
    if (!this.#isOpen) return;
    let frame: ServerFrame;
    try {
      if (!(data instanceof ArrayBuffer)) throw new TypeError('a text');
      frame = decodeMsgpack(new Uint8Array(data)) as ServerFrame;
    } catch (error) {
      this.#end({ reason: `what came is no msgpack: ${reasonOf(error)}` });
      this.#socket.close(4400);
      return;
    }
    this.onFrame?.(frame);
  }

  #end(end: LinkEnd): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.onClose?.(end);
  }
}
