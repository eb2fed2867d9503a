/**
 * What goes between a page, the worker that has the broker, and a Service Worker.
 *
 * A page asks the worker for a **door**: a port that carries frames, or HTTP. Where no port can be handed over (the worker belongs to
 * another tab), a door is a BroadcastChannel of its own, which carries the same.
 */
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';

/** What carries messages both ways, in order. */
export interface Channel {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent) => void) | null;
  close(): void;
}

/** To the worker, with a port; or on the common channel, where `to` names a channel. */
export type DoorWanted = {
  readonly wayside: 'door';
  readonly kind: 'frames' | 'http';
  readonly namespace?: string | undefined;
  /** A lock that its page holds as long as it lives: ports tell nobody that it is gone. */
  readonly alive?: string | undefined;
  readonly to?: string | undefined;
};

/** From the worker on a new door, before anything else. */
export type DoorOpened =
  | { readonly opened: true }
  | { readonly opened: false; readonly error: { readonly code: string; readonly detail: string } };

/** Over a door for frames. */
export type ToSession = { readonly frame: ClientFrame } | { readonly bye: true };
export type FromSession = { readonly frame: ServerFrame } | { readonly closed: { readonly code: number; readonly reason: string } };

/** Over a door for HTTP. */
export type ToHttp =
  | {
      readonly id: number;
      readonly request: {
        readonly method: string;
        readonly url: string;
        readonly headers: [string, string][];
        readonly body: ArrayBuffer | null;
      };
    }
  | { readonly id: number; readonly cancel: true };
export type FromHttp =
  | { readonly id: number; readonly head: { readonly status: number; readonly headers: [string, string][] } }
  | { readonly id: number; readonly chunk: Uint8Array }
  | { readonly id: number; readonly end: true; readonly broken?: boolean };

/** From a Service Worker to its pages: whoever can, answers with a door for HTTP. */
export interface PortWanted {
  readonly wayside: 'port-wanted';
  readonly name: string;
}

export interface PortOffered {
  readonly wayside: 'port';
  readonly name: string;
}

/** How much larger than the bytes their buffer may be. */
const SLACK = 1.25;

/** The bytes in a buffer that is hardly more than theirs: a view is cloned with the whole buffer that it looks at. */
export function own(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength <= bytes.byteLength * SLACK ? bytes : bytes.slice();
}

/** A frame with all its bytes in buffers that are hardly more than theirs. */
export function owned<T>(value: T): T {
  if (value instanceof Uint8Array) return own(value) as T;
  if (Array.isArray(value)) return value.some(isObject) ? (value.map(owned) as T) : value;
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, owned(part)])) as T;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Where a page asks a worker that belongs to another tab. */
export function commonChannel(name: string): string {
  return `wayside:${name}`;
}
