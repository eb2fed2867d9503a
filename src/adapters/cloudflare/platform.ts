/** What is used of Cloudflare's runtime, as types: no more than that, so that the rest of the project keeps Node's. */

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
}

export interface ObjectState {
  readonly storage: ObjectStorage;
  /** Ends this instance of the object; the next call makes another one. */
  abort(reason?: string): void;
}

export interface ObjectStub {
  fetch(request: Request): Promise<Response>;
}

export interface ObjectNamespace {
  getByName(name: string): ObjectStub;
}

/** One end of a WebSocket of the runtime's. */
export interface PlatformSocket {
  binaryType: 'arraybuffer' | 'blob';
  accept(): void;
  send(data: string | ArrayBufferLike | ArrayBufferView): void;
  close(code: number, reason: string): void;
  addEventListener(type: 'message', run: (event: { readonly data: string | ArrayBuffer }) => void): void;
  addEventListener(type: 'close' | 'error', run: () => void): void;
}
