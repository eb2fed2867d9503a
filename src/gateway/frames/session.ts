/**
 * A session: one peer's frames, whatever carries them (API.md §7). Frames are objects here.
 *
 * Holds: before `hello` nothing else is taken; each call with an id is answered once, in any order; produces are handed
 * to the broker in the turn in which they come, so their order stays; what a peer does not take off is bounded
 * (room.ts), and while its answers cannot leave, or much of what it has sent waits to be stored, its frames are not
 * read: others have their share of what the broker lets wait. A frame that makes no sense is answered with
 * an error, or, where nothing says whom to answer, ends the session: an id that is used again while its call is under
 * way does so too, since a second answer would be taken for the first one's.
 * Elsewhere: what each verb does (verbs.ts), bytes (json.ts, msgpack.ts), who may open one (frames.ts).
 */
import { asWaysideError, WaysideError } from '../../core/errors.ts';
import type { Limits } from '../../core/limits.ts';
import type { AnyFrame } from '../../protocol/frame-schemas.ts';
import { SCHEMAS, verbOf } from '../../protocol/frame-schemas.ts';
import { CLOSE, PING_EVERY_MS, SILENT_MS_MAX } from '../../protocol/frames.ts';
import { described } from '../problem.ts';
import { validated } from '../rest/body.ts';
import type { Outgoing } from './outgoing.ts';
import { DeliveryRoom } from './room.ts';
import type { FrameService } from './service.ts';
import { Verbs } from './verbs.ts';

/** What carries a session's frames. */
export interface Peer {
  /** Never throws; after the end it does nothing. */
  send(frame: Outgoing): void;
  /** Bytes that were sent and are still in this process. */
  buffered(): number;
  /** What was sent before goes out first. */
  close(code: number, reason: string): void;
  /** Stops and goes on handing in frames; those that are here already may still come. */
  pause(): void;
  resume(): void;
}

export interface SessionOptions {
  /** What a station's name means, and a path of a `call` that names none. */
  readonly namespace: string;
  /** Judges the credential of the hello. */
  admits(token: string | undefined): boolean;
}

export class Session {
  readonly #service: FrameService;
  readonly #peer: Peer;
  readonly #admits: SessionOptions['admits'];
  readonly #verbs: Verbs;
  readonly #room: DeliveryRoom;
  /** Calls without an answer. */
  readonly #calls = new Set<number>();
  #state: 'new' | 'open' | 'ended' = 'new';
  #paused = false;
  /** Bytes of its produces that have no answer yet. */
  #storing = 0;
  #heardAt: number;
  #pingedAt: number;
  #idle: (() => void) | undefined;

  constructor(service: FrameService, peer: Peer, { namespace, admits }: SessionOptions) {
    this.#service = service;
    this.#peer = peer;
    this.#admits = admits;
    // Answers need some room that deliveries leave them.
    this.#room = new DeliveryRoom(Math.ceil((service.limits.outgoingBytesMax * 3) / 4), () => peer.buffered());
    this.#verbs = new Verbs({
      ...service,
      namespace,
      room: this.#room,
      send: (frame) => this.#send(frame),
      storing: (bytes) => this.#stores(bytes),
    });
    this.#heardAt = this.#pingedAt = service.clock.monotonic();
  }

  /** A frame from the peer. Anything may come. */
  receive(frame: unknown): void {
    if (this.#state === 'ended') return;
    this.#heardAt = this.#service.clock.monotonic();
    if (typeof frame !== 'object' || frame === null) {
      this.end(CLOSE.badFrame, 'A frame is an object.');
      return;
    }
    const { op, id } = frame as { readonly op?: unknown; readonly id?: unknown };
    if (this.#state === 'new') this.#hello(frame, op);
    else if (op === 'ping') this.#send({ op: 'pong' });
    else if (op !== 'pong') this.#call(frame, op, id);
  }

  /** The peer has taken some of what waited. */
  drained(): void {
    // The one sign of life that it can give while nobody listens to it.
    if (this.#paused) this.#heardAt = this.#service.clock.monotonic();
    this.#regulate();
    this.#room.changed();
  }

  /** The peer is gone. Leases and receipts hold; calls under way end by themselves. */
  closed(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#service.sessions.delete(this);
    this.#verbs.end();
    this.#room.end();
    this.#idle?.();
  }

  /** Ends the session. */
  end(code: number, reason: string): void {
    if (this.#state === 'ended') return;
    this.closed();
    this.#peer.close(code, reason);
  }

  /**
   * Tells the peer to go elsewhere, and delivers nothing more.
   *
   * @param afterMs when it will be closed, at the latest
   * @returns resolves when every call under way has its answer
   */
  goaway(afterMs: number): Promise<void> {
    if (this.#state === 'open') this.#send({ op: 'goaway', afterMs });
    this.#verbs.stopDelivering();
    if (this.#state === 'ended' || this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Called now and then: asks for a sign of life, and ends it where there was none for too long. */
  beat(now: number): void {
    // It may have said something, if only it were read.
    if (this.#storesMuch) this.#heardAt = now;
    if (this.#state === 'new') {
      if (now - this.#heardAt >= this.#service.limits.helloMs) this.end(CLOSE.silent, 'No hello came.');
    } else if (now - this.#heardAt >= SILENT_MS_MAX) this.end(CLOSE.silent, `Nothing came for ${SILENT_MS_MAX / 1000} s.`);
    else if (now - this.#pingedAt >= PING_EVERY_MS) {
      this.#pingedAt = now;
      this.#send({ op: 'ping' });
    }
  }

  /** Time has passed in which nobody could have been heard. */
  excuse(ms: number): void {
    this.#heardAt += ms;
  }

  #hello(frame: object, op: unknown): void {
    if (op !== 'hello') {
      this.end(CLOSE.credential, 'The first frame is hello.');
      return;
    }
    const { success, data } = SCHEMAS.hello.safeParse(frame);
    if (!success) this.end(CLOSE.badFrame, 'A hello has op and token, nothing else.');
    else if (!this.#admits(data.token)) this.end(CLOSE.credential, 'The credential is missing, or not valid.');
    else {
      this.#state = 'open';
      this.#send({ op: 'welcome', session: this.#service.newId(), limits: announced(this.#service.limits) });
    }
  }

  #call(frame: object, op: unknown, id: unknown): void {
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0) {
      this.end(CLOSE.badFrame, 'The frame has no id that is a whole number from 0.');
      return;
    }
    if (this.#calls.has(id)) {
      this.end(CLOSE.badFrame, `The id ${id} is that of a call that has no answer yet.`);
      return;
    }
    const { callsMax } = this.#service.limits;
    if (this.#calls.size >= callsMax) {
      this.end(CLOSE.tooFast, `More than ${callsMax} calls are without an answer.`);
      return;
    }
    this.#calls.add(id);
    let answer: Promise<unknown>;
    try {
      const verb = verbOf(op);
      if (verb === undefined) throw unknownOp(op);
      answer = this.#verbs.run(validated<AnyFrame>(SCHEMAS[verb], frame), (ok) => this.#answer(id, ok));
    } catch (thrown) {
      this.#refuse(id, thrown);
      return;
    }
    answer.then(
      (ok) => this.#answer(id, ok),
      (thrown) => this.#refuse(id, thrown),
    );
  }

  /** A second answer to the same call is none: a verb may have given it before it was done. */
  #answer(id: number, ok: unknown): void {
    if (!this.#calls.delete(id)) return;
    this.#send({ id, ok });
    this.#answered();
  }

  #refuse(id: number, thrown: unknown): void {
    if (!(thrown instanceof WaysideError)) this.#service.journal.error(`A frame: ${described(thrown)}`);
    const { code, message: detail, extra } = asWaysideError(thrown);
    if (!this.#calls.delete(id)) return;
    this.#send({ id, error: { ...extra, code, detail: detail.toWellFormed() } });
    this.#answered();
  }

  #answered(): void {
    if (this.#calls.size === 0) this.#idle?.();
  }

  #send(frame: Outgoing): void {
    if (this.#state === 'ended') return;
    this.#peer.send(frame);
    this.#regulate();
  }

  #stores(bytes: number): void {
    this.#storing += bytes;
    this.#regulate();
  }

  get #storesMuch(): boolean {
    const { pendingBytesMax, batchBytesMax } = this.#service.limits;
    return this.#storing >= Math.max(batchBytesMax, pendingBytesMax / STORING_SHARE);
  }

  /** Stops reading, or goes on. */
  #regulate(): void {
    if (this.#state === 'ended') return;
    const { outgoingBytesMax } = this.#service.limits;
    const isFull = this.#peer.buffered() >= (this.#paused ? outgoingBytesMax / 2 : outgoingBytesMax);
    const paused = isFull || this.#storesMuch;
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) this.#peer.pause();
    else this.#peer.resume();
  }
}

/** One session has at most this part of what may wait to be stored in all. */
const STORING_SHARE = 4;

function unknownOp(op: unknown): WaysideError {
  const shown = typeof op === 'string' ? `"${op.slice(0, 32)}"` : 'That';
  return new WaysideError('INVALID_REQUEST', `${shown} is no op; there are ${OPS}.`, { field: 'op' });
}

const OPS = Object.keys(SCHEMAS)
  .filter((name) => name !== 'hello')
  .join(', ');

function announced(limits: Limits): Record<string, number> {
  return Object.fromEntries(ANNOUNCED.map((name) => [name, limits[name]]));
}

/** What a client can make use of. */
const ANNOUNCED = [
  'messageBytesMax',
  'batchBytesMax',
  'batchCountMax',
  'headerBytesMax',
  'keyBytesMax',
  'idBytesMax',
  'frameBytesMax',
  'outgoingBytesMax',
  'callsMax',
  'subscriptionsMax',
  'receiptsMax',
  'fetchCountMax',
  'fetchBytesMax',
  'waitMsMax',
  'leaseMsMin',
  'leaseMsMax',
  'leaseMsDefault',
] as const satisfies readonly (keyof Limits)[];
