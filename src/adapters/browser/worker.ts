/**
 * The script of the worker that has the broker: a SharedWorker of all tabs, or a dedicated one of the tab that was elected.
 *
 * Its name says which broker: `wayside:NAME`, or `wayside-memory:NAME`. Doors are asked for with a port; where the worker is
 * a dedicated one, tabs other than its own ask on the common channel.
 */
import { BrowserHost } from './host.ts';
import type { DoorWanted } from './messages.ts';
import { commonChannel } from './messages.ts';

interface WorkerScope {
  readonly name: string;
  onconnect?: ((event: { readonly ports: readonly MessagePort[] }) => void) | null;
  onmessage?: ((event: MessageEvent) => void) | null;
}

const scope = self as unknown as WorkerScope;
const [kind = '', ...rest] = scope.name.split(':');
const name = rest.join(':');
const host = new BrowserHost({ name, storage: kind === 'wayside-memory' ? 'memory' : 'indexeddb' });

const asked = ({ data, ports: [port] }: MessageEvent<DoorWanted>) => {
  if (data?.wayside === 'door' && port !== undefined) void host.serve(port, data);
};

if ('onconnect' in scope) {
  scope.onconnect = ({ ports: [port] }) => {
    if (port !== undefined) port.onmessage = asked;
  };
} else {
  scope.onmessage = asked;
  const known = new Set<string>();
  const common = new BroadcastChannel(commonChannel(name));
  common.onmessage = ({ data }: MessageEvent<DoorWanted>) => {
    // Who hears nothing at once knocks again.
    if (data?.wayside !== 'door' || data.to === undefined || known.has(data.to)) return;
    known.add(data.to);
    void host.serve(new BroadcastChannel(data.to), data);
  };
}
