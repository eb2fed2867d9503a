/**
 * One HTTP call and its answer. Nothing is judged here, and nothing of a runtime is needed but `fetch`.
 */

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Bytes or text, as they are; a stream goes without a length. Or one of the two below, which set the type. */
  readonly body?: Uint8Array<ArrayBuffer> | string | ReadableStream<Uint8Array> | undefined;
  readonly json?: unknown;
  readonly records?: Uint8Array<ArrayBuffer> | undefined;
  /** Without the credential. */
  readonly anonymous?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;

  constructor(status: number, headers: Headers, bytes: Uint8Array) {
    this.status = status;
    this.headers = headers;
    this.bytes = bytes;
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  get type(): string {
    return (this.headers.get('content-type') ?? '').split(';')[0]!.trim();
  }

  // A check says what it expects; a wrong guess shows as a failed comparison.
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what is being checked
  get json(): any {
    return JSON.parse(this.text);
  }

  header(name: string): string | null {
    return this.headers.get(name);
  }

  toString(): string {
    return `${this.status} ${this.type} ${this.text.slice(0, 500)}`;
  }
}

export const RECORDS_TYPE = 'application/vnd.wayside.records';

export class Client {
  readonly base: string;
  readonly token: string | undefined;
  readonly #fetch: typeof fetch;

  constructor(base: string, token: string | undefined, fetching: typeof fetch = fetch) {
    this.base = base;
    this.token = token;
    this.#fetch = fetching;
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const response = await this.open(method, path, options);
    return new Answer(response.status, response.headers, new Uint8Array(await response.arrayBuffer()));
  }

  /** The response itself, for what does not end. */
  open(method: string, path: string, { headers, body, json, records, anonymous = false, signal }: CallOptions): Promise<Response> {
    const all = new Headers(headers);
    if (this.token !== undefined && !anonymous && !all.has('authorization')) all.set('authorization', `Bearer ${this.token}`);
    if (json !== undefined && !all.has('content-type')) all.set('content-type', 'application/json');
    if (records !== undefined) all.set('content-type', RECORDS_TYPE);
    const given = json === undefined ? (records ?? body) : JSON.stringify(json);
    // As bytes: for a text `fetch` would name a type of its own.
    const sent = typeof given === 'string' ? new TextEncoder().encode(given) : given;
    const streamed = sent instanceof ReadableStream ? { duplex: 'half' } : {};
    return this.#fetch(this.base + path, {
      method,
      headers: all,
      body: sent ?? null,
      redirect: 'manual',
      signal: signal ?? null,
      ...streamed,
    } as RequestInit);
  }
}
