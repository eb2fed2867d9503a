/**
 * The ways to a broker: an address, or a link that somebody else has.
 */
import type { Link } from './frames/link.ts';
import { FrameTransport } from './frames/transport.ts';
import { openWebSocket } from './frames/websocket.ts';
import { LaterTransport } from './http/later.ts';
import type { ConnectOptions } from './options.ts';
import type { Wayside } from './wayside.ts';
import { RemoteWayside } from './wayside.ts';

/**
 * A broker at an address. Returns at once; the connection is made when it is first needed, and again whenever it breaks.
 *
 * @param address `http://`, `https://`, `ws://` or `wss://`, without a path unless the broker is served below one
 * @throws TypeError the address is none
 */
export function connect(address: string | URL, options: ConnectOptions = {}): Wayside {
  const base = baseOf(address);
  const { namespace } = options;
  const path = namespace === undefined ? '/v1' : `/v1/namespaces/${encodeURIComponent(namespace)}`;
  if (options.transport === 'http') return new RemoteWayside(new LaterTransport(base + path, options), options);
  const url = `${base.replace(/^http/, 'ws')}${path}/ws`;
  const open = (signal: AbortSignal) => openWebSocket(url, options.WebSocket, signal);
  return new RemoteWayside(new FrameTransport({ open, heartbeat: true, prefix: '/v1' }, options), options);
}

/** Options of a connection over links. */
export interface LinkOptions extends Omit<ConnectOptions, 'transport' | 'namespace' | 'WebSocket' | 'fetch'> {
  /** Asks for signs of life, for links that can die without a word. False unless given. */
  readonly heartbeat?: boolean | undefined;
}

/**
 * A broker at the other end of a link: embedded in this process, in another tab, behind a MessagePort.
 *
 * @param open opens a link; called again whenever it breaks. Its `signal` says that it takes too long
 */
export function connectLink(open: (signal: AbortSignal) => Promise<Link> | Link, options: LinkOptions = {}): Wayside {
  return new RemoteWayside(new FrameTransport({ open, heartbeat: options.heartbeat ?? false, prefix: '/v1' }, options), options);
}

/** `http(s)://host/path` without a slash at its end. */
function baseOf(address: string | URL): string {
  const text = String(address);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^(?:http|ws)s?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new TypeError(`${JSON.stringify(text)} is no address of a broker. One is like http://127.0.0.1:4300.`);
  }
  return `${url.protocol.replace(/^ws/, 'http')}//${url.host}${url.pathname.replace(/\/+$/, '')}`;
}
