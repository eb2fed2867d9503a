/**
 * Export and import of stations over HTTP, by whoever may be cut off in the middle: it goes on where it broke off.
 *
 * Holds: only a lost connection is tried again, a few times at one place; what the broker refuses is thrown at once.
 */
import type { ImportedStation } from '../core/calls.ts';
import { WaysideError } from './errors.ts';
import { problem } from './problem.ts';

/** Where the broker is, and how to speak to it. */
export interface TransferOptions {
  /** Sent as a bearer token. */
  readonly token?: string | undefined;
  /** That of the credential unless given. */
  readonly namespace?: string | undefined;
  /** In place of the runtime's own. */
  readonly fetch?: typeof fetch | undefined;
  /** Told each time that the connection is lost, before it is gone on with at this byte of the stream. */
  readonly onLost?: ((error: Error, offset: number) => void) | undefined;
}

/** What is exported. */
export interface ExportOptions extends TransferOptions {
  /** One station; all of the namespace unless given. */
  readonly station?: string | undefined;
}

/** What is imported, and how it is called. */
export interface ImportOptions extends TransferOptions {
  /** What the one station of the stream is to be called; its own name unless given. */
  readonly station?: string | undefined;
}

/** Of one place in the stream: whoever gets further begins to count anew. */
const TRIES_MAX = 5;
const PAUSE_MS = 500;

/**
 * A station, or a whole namespace, as it is in one moment: the bytes of the stream, piece by piece. It is whole when this ends
 * without an error.
 *
 * @param address as for `connect`
 * @throws STATION_NOT_FOUND · UNAUTHENTICATED · UNAVAILABLE the connection broke off too often, or the export cannot be gone on
 * with any more: begin anew
 */
export async function* exportStations(address: string, options: ExportOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const { station } = options;
  const tries = new Tries(options);
  let id: string | undefined;
  for (let offset = 0; ; ) {
    try {
      const begun = station === undefined ? '' : `?station=${encodeURIComponent(station)}`;
      const response = await ask(address, `/export${id === undefined ? begun : `?id=${id}&offset=${offset}`}`, options, id !== undefined);
      id = response.headers.get('export-id') ?? undefined;
      if (response.body === null) return;
      for (const reader = response.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) return;
        offset += value.length;
        yield value;
      }
    } catch (error) {
      await tries.again(error, offset, id !== undefined);
    }
  }
}

/**
 * Makes stations of an exported stream: all of them, or none.
 *
 * @param source gives the stream from a byte on; it is asked again where the connection broke off
 * @throws IMPORT_REFUSED the stream is damaged, cut off or newer, or there is a station of that name · STORAGE_FULL ·
 * UNAVAILABLE the connection broke off too often
 */
export async function importStations(
  address: string,
  source: (offset: number) => AsyncIterable<Uint8Array>,
  options: ImportOptions = {},
): Promise<readonly ImportedStation[]> {
  const tries = new Tries(options);
  const id = `sdk-${crypto.randomUUID()}`;
  const named = options.station === undefined ? '' : `&station=${encodeURIComponent(options.station)}`;
  for (let offset = 0, isKnown = false; ; ) {
    try {
      ({ offset } = (await (await ask(address, `/import?id=${id}`, options, isKnown)).json()) as { offset: number });
      isKnown = true;
      const init = {
        method: 'POST',
        headers: { 'Content-Type': 'application/vnd.wayside.export' },
        body: streamOf(source(offset)),
        // Without it a runtime may want the whole body before it begins.
        duplex: 'half',
      };
      const response = await ask(address, `/import?id=${id}&offset=${offset}${named}`, options, true, init as RequestInit);
      return ((await response.json()) as { stations: ImportedStation[] }).stations;
    } catch (error) {
      await tries.again(error, offset, isKnown);
    }
  }
}

async function ask(address: string, path: string, options: TransferOptions, isKnown: boolean, init: RequestInit = {}): Promise<Response> {
  const { token, namespace, fetch: own } = options;
  const base = `${address.replace(/^ws/, 'http').replace(/\/+$/, '')}/v1${namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`}`;
  const headers = { ...(init.headers as Record<string, string>), ...(token !== undefined && { Authorization: `Bearer ${token}` }) };
  let response: Response;
  try {
    response = await (own ?? fetch)(`${base}${path}`, { ...init, headers });
  } catch (error) {
    if (isKnown) throw error;
    throw new WaysideError('UNAVAILABLE', `No broker answers at ${address}.`, { outcome: 'refused', cause: error });
  }
  if (response.ok) return response;
  throw problem(response.status, await response.json().catch(() => undefined));
}

class Tries {
  readonly #onLost: TransferOptions['onLost'];
  #count = 0;
  #offset = -1;

  constructor({ onLost }: TransferOptions) {
    this.#onLost = onLost;
  }

  /** Waits before the next one. @throws the error itself, where trying again is no use */
  async again(error: unknown, offset: number, isKnown: boolean): Promise<void> {
    // `fetch` and the body of its response throw TypeErrors when the connection is lost.
    if (!(error instanceof TypeError) || !isKnown) throw error;
    this.#count = offset > this.#offset ? 1 : this.#count + 1;
    this.#offset = offset;
    if (this.#count >= TRIES_MAX)
      throw new WaysideError('UNAVAILABLE', `The connection broke off ${TRIES_MAX} times at byte ${offset} of the stream.`, {
        cause: error,
      });
    this.#onLost?.(error, offset);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * this.#count));
  }
}

function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const pieces = source[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return?.();
    },
  });
}
