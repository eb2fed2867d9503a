/**
 * One connection over one link: hello, calls with their answers, and signs of life.
 *
 * Holds: a call is settled once, by its answer, its time, or the link's end; an answer that nobody waits for (late, twice,
 * never asked) changes nothing; what is no frame ends the connection.
 * Elsewhere: the next connection, subscriptions (transport.ts).
 */
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';
import type { ClientClock } from '../clock.ts';
import { lasting, reasonOf, told, WaysideError, withOutcome } from '../errors.ts';
import type { Link, LinkEnd } from './link.ts';

/** What a connection tells whoever opened it. */
export interface ConnectionOwner {
  readonly clock: ClientClock;
  /** Ids of calls go on over connections, so that an answer never meets another's call. */
  nextId(): number;
  /** A frame of a subscription; whatever it throws ends the connection. */
  delivered(frame: { readonly sub: number }): void;
  /** The broker wants to close this connection. */
  goaway(connection: Connection): void;
  /** No call is under way any more. */
  idle(connection: Connection): void;
  ended(connection: Connection, error: WaysideError): void;
}

interface Waiting {
  readonly resolve: (ok: unknown) => void;
  readonly reject: (error: WaysideError) => void;
  readonly cancel: () => void;
}

/** Of silence, after which the broker is asked for a sign of life, and once more after which the link is given up. */
const SILENT_MS = 20_000;
const HELLO_MS = 10_000;

export class Connection {
  /** As `welcome` announced them. */
  limits: Readonly<Record<string, number>> = {};
  /** An answer or a delivery has come: more than a server that takes anything. */
  isProven = false;
  readonly #link: Link;
  readonly #owner: ConnectionOwner;
  readonly #waiting = new Map<number, Waiting>();
  #end: WaysideError | undefined;
  #hello: { resolve: () => void; reject: (error: WaysideError) => void } | undefined;
  #silentTurns = 0;
  #cancelWatch: () => void = () => undefined;

  /** @param heartbeat whether the link can die without a word */
  constructor(link: Link, owner: ConnectionOwner, heartbeat: boolean) {
    this.#link = link;
    this.#owner = owner;
    link.onFrame = (frame) => this.#receive(frame);
    link.onClose = (end) => this.#ended(errorOf(end, this.#hello !== undefined));
    if (heartbeat) this.#watch();
  }

  /** Calls under way. */
  get waiting(): number {
    return this.#waiting.size;
  }

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** @throws UNAUTHENTICATED · UNAVAILABLE no welcome came */
  hello(token: string | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#owner.clock.after(HELLO_MS, () => this.#ended(noSense('did not answer to hello', 'refused')));
      this.#hello = {
        resolve: () => {
          cancel();
          resolve();
        },
        reject: (error) => {
          cancel();
          reject(error);
        },
      };
      if (this.#end !== undefined) this.#hello.reject(this.#end);
      else this.#send(token === undefined ? { op: 'hello' } : { op: 'hello', token });
    });
  }

  /** @returns what the answer has as `ok`. @throws what it has as `error` · UNAVAILABLE no answer came, outcome unknown */
  request(frame: (id: number) => ClientFrame, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) return reject(withOutcome(this.#end, 'refused'));
      const id = this.#owner.nextId();
      const cancel = this.#owner.clock.after(timeoutMs, () => {
        this.#settled(id);
        const text = `The broker did not answer within ${Math.round(timeoutMs)} ms. It may have done what was asked.`;
        reject(new WaysideError('UNAVAILABLE', text, { outcome: 'unknown' }));
      });
      this.#waiting.set(id, { resolve, reject, cancel });
      this.#send(frame(id));
    });
  }

  /** Without waiting for an answer. */
  tell(frame: (id: number) => ClientFrame): void {
    if (this.#end === undefined) this.#send(frame(this.#owner.nextId()));
  }

  /** Calls under way reject with `error`. */
  close(error: WaysideError): void {
    this.#ended(error);
  }

  #send(frame: ClientFrame): void {
    try {
      this.#link.send(frame);
    } catch (cause) {
      this.#ended(new WaysideError('UNAVAILABLE', 'A frame could not be sent; the connection is given up.', { outcome: 'unknown', cause }));
    }
  }

  #receive(frame: ServerFrame): void {
    if (this.#end !== undefined) return;
    this.#silentTurns = 0;
    if (typeof frame !== 'object' || frame === null) this.#ended(noSense('sent what is no frame', 'unknown'));
    else if (this.#hello !== undefined) this.#welcomed(frame);
    else if ('id' in frame) this.#answered(frame.id, frame);
    else if ('sub' in frame) this.#delivered(frame);
    else if (frame.op === 'ping') this.#send({ op: 'pong' });
    else if (frame.op === 'goaway') this.#owner.goaway(this);
    // An op that a later version may have does no harm; what has none at all is no frame.
    else if (typeof frame.op !== 'string') this.#ended(noSense('sent what is no frame', 'unknown'));
  }

  #delivered(frame: { readonly sub: number }): void {
    this.isProven = true;
    try {
      this.#owner.delivered(frame);
    } catch (cause) {
      this.#ended(new WaysideError('UNAVAILABLE', `A delivery makes no sense: ${reasonOf(cause)}`, { outcome: 'unknown', cause }));
    }
  }

  #welcomed(frame: ServerFrame): void {
    const hello = this.#hello;
    if ('op' in frame && frame.op === 'ping') {
      this.#send({ op: 'pong' });
      return;
    }
    if (!('op' in frame) || frame.op !== 'welcome') {
      // An error may say what is wrong with the hello.
      const detail = 'error' in frame ? `: ${frame.error?.detail}` : '';
      this.#ended(lasting(`The broker did not answer hello with welcome${detail}: another version?`));
      return;
    }
    this.#hello = undefined;
    const { limits } = frame;
    if (typeof limits === 'object' && limits !== null) this.limits = limits;
    hello?.resolve();
  }

  #answered(id: number, frame: { readonly ok?: unknown; readonly error?: unknown }): void {
    const call = this.#waiting.get(id);
    // Late, twice, or never asked.
    if (call === undefined) return;
    this.isProven = true;
    call.cancel();
    this.#settled(id);
    if (frame.error === undefined) {
      call.resolve(frame.ok);
      return;
    }
    const { code, detail, retryAfterMs, field, index } = (frame.error ?? {}) as Record<string, unknown>;
    call.reject(
      told(code, detail, {
        retryAfterMs: typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
        field: typeof field === 'string' ? field : undefined,
        index: typeof index === 'number' ? index : undefined,
      }),
    );
  }

  #settled(id: number): void {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#owner.idle(this);
  }

  /** One timer for the whole connection: a turn without a frame asks for one, the next gives up. */
  #watch(): void {
    this.#cancelWatch = this.#owner.clock.after(SILENT_MS, () => {
      if (this.#silentTurns++ > 0) {
        this.#ended(new WaysideError('UNAVAILABLE', 'The broker has fallen silent; the connection is given up.', { outcome: 'unknown' }));
        return;
      }
      this.#send({ op: 'ping' });
      if (this.#end === undefined) this.#watch();
    });
  }

  #ended(error: WaysideError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#cancelWatch();
    this.#hello?.reject(error);
    for (const { reject, cancel } of this.#waiting.values()) {
      cancel();
      // Nobody knows what became of it.
      reject(withOutcome(error, 'unknown', `${error.message} What was under way may have been done.`));
    }
    this.#waiting.clear();
    this.#owner.ended(this, error);
    this.#link.close();
  }
}

function errorOf({ code, reason }: LinkEnd, inHello: boolean): WaysideError {
  const why = [code, reason].filter((part) => part !== undefined && part !== '').join(': ');
  if (code === 4401 && inHello) {
    return new WaysideError('UNAUTHENTICATED', `The broker refuses the credential.${reason ? ` ${reason}` : ''} Give a valid token.`);
  }
  const text = `The connection to the broker has ended${why === '' ? '' : ` (${why})`}.`;
  // It takes offence at what we sent: sent again, it would again.
  if (code === 4400 || code === 4413) return lasting(text, { outcome: 'unknown' });
  return new WaysideError('UNAVAILABLE', text, { outcome: inHello ? 'refused' : 'unknown' });
}

function noSense(what: string, outcome: 'refused' | 'unknown'): WaysideError {
  return new WaysideError('UNAVAILABLE', `The broker ${what}. It may be of another version.`, { outcome });
}
