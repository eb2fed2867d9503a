/**
 * A session over a carrier of bytes (a WebSocket): frames are decoded on the way in and encoded on the way out.
 *
 * Holds: bytes that are no frame end the session with 4400, and so does a text where bytes are due, or bytes where a
 * text is. Elsewhere: the carrier itself (adapters), the bytes (codec.ts).
 */
import { asWaysideError } from '../../core/errors.ts';
import { CLOSE } from '../../protocol/frames.ts';
import type { Codec } from './codec.ts';
import type { Outgoing } from './outgoing.ts';
import type { Peer, Session } from './session.ts';

/** What carries the bytes of frames. */
export interface Wire {
  /** A text is sent as a text, and so are bytes where the protocol's messages are texts. */
  send(data: string | Uint8Array<ArrayBuffer>): void;
  buffered(): number;
  close(code: number, reason: string): void;
  pause(): void;
  resume(): void;
}

/** The code of WebSockets for a mistake of the server. */
const CLOSE_INTERNAL = 1011;
/** A WebSocket's reason takes 123 bytes. */
const REASON_LENGTH_MAX = 120;

export class FrameSocket implements Peer {
  readonly #codec: Codec;
  readonly #wire: Wire;
  readonly #report: (thrown: unknown) => void;
  readonly #session: Session;

  /** @param report is told of a mistake of ours */
  constructor(codec: Codec, wire: Wire, report: (thrown: unknown) => void, start: (peer: Peer) => Session) {
    this.#codec = codec;
    this.#wire = wire;
    this.#report = report;
    this.#session = start(this);
  }

  /** A whole message; its bytes are this session's from now on. */
  receive(data: Uint8Array, isBinary: boolean): void {
    const { isBinary: expected } = this.#codec;
    if (isBinary !== expected) {
      this.#session.end(CLOSE.badFrame, expected ? 'The frames of this protocol are binary.' : 'The frames of this protocol are text.');
      return;
    }
    let frame: unknown;
    try {
      frame = this.#codec.decode(data);
    } catch (error) {
      this.#session.end(CLOSE.badFrame, asWaysideError(error).message);
      return;
    }
    this.#session.receive(frame);
  }

  drained(): void {
    this.#session.drained();
  }

  closed(): void {
    this.#session.closed();
  }

  /** Ends it for a reason that the carrier has found. */
  end(code: number, reason: string): void {
    this.#session.end(code, reason);
  }

  send(frame: Outgoing): void {
    let data: string | Uint8Array<ArrayBuffer>;
    try {
      data = this.#codec.encode(frame);
    } catch (error) {
      // What cannot be encoded is not known to the peer, which must not wait for it for ever.
      this.#report(error);
      queueMicrotask(() => this.#session.end(CLOSE_INTERNAL, 'An answer could not be written.'));
      return;
    }
    this.#wire.send(data);
  }

  buffered(): number {
    return this.#wire.buffered();
  }

  close(code: number, reason: string): void {
    // As ASCII, so that letters are bytes.
    this.#wire.close(code, reason.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, REASON_LENGTH_MAX));
  }

  pause(): void {
    this.#wire.pause();
  }

  resume(): void {
    this.#wire.resume();
  }
}
