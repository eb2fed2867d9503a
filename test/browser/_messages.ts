/** What goes between the bridge, its page, and the worker. */

export interface SocketAsked {
  readonly socket: true;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Refused {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type SocketMessage =
  | { readonly opened: string }
  | { readonly refused: Refused }
  | { readonly data: Uint8Array; readonly isBinary: boolean }
  | { readonly close: { readonly code: number; readonly reason: string } };

/** From the bridge to its page: a request, or a message of a socket. */
export type ToPage = { readonly id: number } & (
  | {
      readonly request: {
        readonly method: string;
        readonly path: string;
        readonly headers: [string, string][];
        readonly body: Uint8Array | null;
      };
    }
  | { readonly abort: true }
  | { readonly socket: SocketAsked }
  | { readonly message: SocketMessage }
);

export type FromPage = { readonly id: number } & (
  | { readonly head: { readonly status: number; readonly headers: [string, string][] } }
  | { readonly chunk: Uint8Array }
  | { readonly end: true; readonly broken?: string }
  | { readonly message: SocketMessage }
);
