/**
 * `call` frames: any call of the API, through the very routes that HTTP has.
 *
 * Holds: who may speak on this session was judged when it opened, and is not judged again: what says so is the object
 * that the gateway is called with, which no client can send; streams are refused; some run at once, the rest in turn.
 * Elsewhere: what each call does (rest/).
 */
import { isUtf8 } from '../../core/batch/utf8.ts';
import { WaysideError } from '../../core/errors.ts';
import type { FrameOf } from '../../protocol/frame-schemas.ts';
import { isJsonType } from '../json/message.ts';
import { isJson } from '../json/scan.ts';
import { EVENTS_TYPE, EXPORT_TYPE } from '../rest/answer.ts';
import type { WireRequest } from '../rest/call.ts';
import { bodyOf } from './incoming.ts';
import { Answered } from './outgoing.ts';

/** A call from inside: what the gateway gets in place of a host's `env`. */
export class InnerCall {
  readonly request: Request;
  /** That of the session: what a path without a namespace means. */
  readonly namespace: string;
  readonly wire: WireRequest;

  constructor(request: Request, path: string, namespace: string) {
    this.request = request;
    this.namespace = namespace;
    this.wire = { url: path, rawHeaders: [] };
  }
}

export type Dispatch = (call: InnerCall) => Response | Promise<Response>;

/** What may answer with megabytes each: so many of one session run at once. */
const AT_ONCE_MAX = 64;
const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'];
const PATH_LENGTH_MAX = 16 * 1024;

export class Calls {
  readonly #dispatch: Dispatch;
  readonly #namespace: string;
  readonly #line: (() => void)[] = [];
  /** Of those that run, and of those whose turn has come. */
  #places = AT_ONCE_MAX;
  /** Of those that run, to be ended with the session. One each: a signal that outlives its calls would gather listeners. */
  readonly #running = new Set<AbortController>();
  #over = false;

  constructor(dispatch: Dispatch, namespace: string) {
    this.#dispatch = dispatch;
    this.#namespace = namespace;
  }

  /** @throws INVALID_REQUEST it is no call; a refusal of the call itself is an answer like others */
  async run(frame: FrameOf<'call'>): Promise<Answered> {
    const controller = new AbortController();
    const call = this.#inner(frame, controller.signal);
    if (this.#places === 0) await new Promise<void>((resolve) => this.#line.push(resolve));
    else this.#places--;
    try {
      if (this.#over) throw new WaysideError('UNAVAILABLE', 'The session has ended.');
      this.#running.add(controller);
      return await answered(await this.#dispatch(call));
    } finally {
      this.#running.delete(controller);
      // Whoever is next takes this one's place.
      const next = this.#line.shift();
      if (next === undefined) this.#places++;
      else next();
    }
  }

  /** The session is over: what waits ends, what has not begun does not begin. */
  end(): void {
    this.#over = true;
    for (const controller of this.#running) controller.abort();
  }

  #inner({ method, path, body: given, version }: FrameOf<'call'>, signal: AbortSignal): InnerCall {
    if (!METHODS.includes(method)) throw invalid('method', `one of ${METHODS.join(', ')}`);
    if (!/^\/[\x21-\x7e]*$/.test(path) || path.length > PATH_LENGTH_MAX)
      throw invalid('path', 'what follows the host in an address, from its slash, percent-encoded');
    const body = bodyBytes(given);
    if (body !== undefined && (method === 'GET' || method === 'HEAD')) throw invalid('body', `left out of a ${method}`);
    const headers: Record<string, string> = {
      ...(body?.isJson ? { 'content-type': 'application/json' } : {}),
      ...(version === undefined ? {} : { 'if-match': `"${version}"` }),
    };
    const init = { method, headers, body: (body?.bytes ?? null) as Uint8Array<ArrayBuffer> | null, signal };
    return new InnerCall(new Request(`http://session${path}`, init), path, this.#namespace);
  }
}

function bodyBytes(given: unknown): ReturnType<typeof bodyOf> {
  try {
    return bodyOf(given);
  } catch (error) {
    if (error instanceof TypeError) throw invalid('body', `bytes or a JSON value, and holds ${error.message}`);
    throw error;
  }
}

async function answered(response: Response): Promise<Answered> {
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith(EVENTS_TYPE) || type === EXPORT_TYPE || type === EXPORT_TYPE) {
    await response.body?.cancel();
    throw new WaysideError(
      'INVALID_REQUEST',
      'A stream needs a request of its own, outside of the session. For events there is subscribe.',
    );
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  const kind = ENCODER.encode(type);
  const json = isJsonType(kind, 0, kind.length) && isUtf8(bytes, 0, bytes.length) && isJson(bytes, 0, bytes.length);
  return new Answered(response.status, bytes, json);
}

function invalid(field: string, what: string): WaysideError {
  return new WaysideError('INVALID_REQUEST', `${field} is ${what}.`, { field });
}

const ENCODER = new TextEncoder();
