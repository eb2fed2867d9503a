/** What is used of Cloudflare's runtime, as types: no more than that, so that the rest of the project keeps Node's. */
import type { ExportInput, ImportInput } from '../../core/calls.ts';
import type { Answer, Where } from '../../core/spread/wire.ts';

export interface SqlCursor<T> {
  toArray(): T[];
  readonly rowsRead: number;
  readonly rowsWritten: number;
}

export interface SqlStorage {
  exec<T extends Record<string, unknown>>(query: string, ...bindings: readonly (number | string | null | Uint8Array)[]): SqlCursor<T>;
  readonly databaseSize: number;
}

export interface ObjectStorage {
  readonly sql: SqlStorage;
  transactionSync<T>(run: () => T): T;
  /** Resolves when what was written is durable. */
  sync(): Promise<void>;
  setAlarm(at: number): Promise<void>;
  /** The object's storage is as if it had never been, its alarm too. */
  deleteAll(): Promise<void>;
}

export interface ObjectState {
  readonly storage: ObjectStorage;
  /** Ends this instance of the object; the next call makes another one. */
  abort(reason?: string): void;
  /** Takes a socket that stays while the object sleeps. */
  acceptWebSocket(socket: PlatformSocket): void;
  getWebSockets(): readonly PlatformSocket[];
}

/** One end of a WebSocket of the runtime's. */
export interface PlatformSocket {
  binaryType: 'arraybuffer' | 'blob';
  accept(): void;
  send(data: string | ArrayBufferLike | ArrayBufferView): void;
  close(code: number, reason: string): void;
  addEventListener(type: 'message', run: (event: { readonly data: string | ArrayBuffer }) => void): void;
  addEventListener(type: 'close' | 'error', run: () => void): void;
  /** Stays with the socket while its object sleeps: 16,384 bytes at most. */
  serializeAttachment(value: unknown): void;
  deserializeAttachment(): unknown;
}

export type UpgradedResponse = Response & { readonly webSocket: PlatformSocket | null };

interface ObjectStub {
  fetch(url: string, init: { readonly headers: Readonly<Record<string, string>> }): Promise<UpgradedResponse>;
}

export interface PartitionStub extends ObjectStub {
  ask(where: Where, method: string, args: readonly unknown[]): Promise<Answer>;
}

export interface CatalogStub extends ObjectStub {
  ask(what: 'broker' | 'lookups', method: string, args: readonly unknown[]): Promise<Answer>;
  exportStream(namespace: string, input: ExportInput): Promise<Answer>;
  importStream(namespace: string, input: ImportInput, bytes: ReadableStream<Uint8Array>): Promise<Answer>;
  issueTicket(): Promise<Answer>;
  redeemTicket(ticket: string): Promise<Answer>;
}

export interface ObjectNamespace<Stub> {
  getByName(name: string): Stub;
}

/** The bindings and variables of the Worker: `wrangler.jsonc` has them. */
export interface WaysideEnv {
  /** The object that has the catalog. */
  readonly WAYSIDE_CATALOG: ObjectNamespace<CatalogStub>;
  /** The objects that have a partition each. */
  readonly WAYSIDE_PARTITION: ObjectNamespace<PartitionStub>;
  /** A secret: who has it may do everything. Without it only calls to localhost are answered. */
  readonly WAYSIDE_TOKEN?: string | undefined;
  /** Origins whose pages may call, with commas between. */
  readonly WAYSIDE_CORS_ORIGINS?: string | undefined;
  /** Bytes that an object may hold. */
  readonly WAYSIDE_BYTES_MAX?: string | undefined;
}

/** A bucket of R2. Keys are in the order of their bytes. */
export interface Bucket {
  /** @returns null where the condition does not hold: there is an object */
  put(key: string, bytes: Uint8Array, options: { readonly onlyIf: { readonly etagDoesNotMatch: '*' } }): Promise<object | null>;
  get(
    key: string,
    options?: { readonly range: { readonly offset: number; readonly length?: number } },
  ): Promise<{ arrayBuffer(): Promise<ArrayBuffer> } | null>;
  head(key: string): Promise<{ readonly size: number } | null>;
  /** @param options.limit 1 to 1,000; there may be fewer, and more behind them: `truncated` says so */
  list(options: {
    readonly prefix: string;
    readonly startAfter?: string;
    readonly cursor?: string;
    readonly limit: number;
  }): Promise<{ readonly objects: readonly { readonly key: string }[]; readonly truncated: boolean; readonly cursor?: string }>;
  delete(key: string): Promise<void>;
}
