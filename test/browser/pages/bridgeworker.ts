/** The worker that has the broker, with one more kind of door: a socket, whose bytes a session takes as they are. */
import { BrowserHost } from '../../../src/adapters/browser/host.ts';
import type { DoorWanted } from '../../../src/adapters/browser/messages.ts';
import { asWaysideError } from '../../../src/core/errors.ts';
import { makeLimits } from '../../../src/core/limits.ts';
import { problemOf } from '../../../src/gateway/problem.ts';
import type { SocketAsked, SocketMessage } from '../_messages.ts';

const host = new BrowserHost({ name: 'default', storage: 'indexeddb' });
const { frameBytesMax } = makeLimits();

async function socket(port: MessagePort, { path, headers }: SocketAsked): Promise<void> {
  const say = (message: SocketMessage) => port.postMessage(message);
  try {
    const { gateway } = await host.open();
    const asked = { url: path, headers: { get: (name: string) => headers[name] ?? null } };
    const { protocol, isBinary, open } = gateway.frames.upgrade(asked, path.replace(/\?.*/, ''));
    const session = open({
      send: (data) => say({ data: typeof data === 'string' ? new TextEncoder().encode(data) : data.slice(), isBinary }),
      buffered: () => 0,
      close: (code, reason) => say({ close: { code, reason } }),
      pause: () => undefined,
      resume: () => undefined,
    });
    port.onmessage = ({ data }: MessageEvent<SocketMessage>) => {
      if ('data' in data && data.data.length > frameBytesMax) session.end(4413, 'The frame is too large.');
      else if ('data' in data) session.receive(data.data, data.isBinary);
      else session.closed();
    };
    say({ opened: protocol });
  } catch (error) {
    say({ refused: problemOf(asWaysideError(error)) });
  }
}

const scope = self as unknown as { onconnect: (event: { readonly ports: readonly MessagePort[] }) => void };
scope.onconnect = ({ ports: [control] }) => {
  control!.onmessage = ({ data, ports: [port] }: MessageEvent<DoorWanted | SocketAsked>) => {
    if ('socket' in data) void socket(port!, data);
    else if (data.wayside === 'door') void host.serve(port!, data);
  };
};
