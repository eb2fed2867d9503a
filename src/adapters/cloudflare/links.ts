/**
 * The objects, as links of the broker's parts.
 *
 * Holds: a stub that has failed is not used again, since an object that ended leaves it broken.
 */
import { WaysideError } from '../../core/errors.ts';
import type { CatalogLink, Channel, ChannelListener, PartitionLink } from '../../core/spread/links.ts';
import type { Answer, Where } from '../../core/spread/wire.ts';
import type { CatalogStub, ObjectNamespace, PartitionStub } from './platform.ts';
import { bytesOf, streamOf } from './streams.ts';

/** The one that has the catalog, by its name. */
const CATALOG = 'catalog';
/** In a request that opens a channel: which partition it is for. */
export const WHERE_HEADER = 'wayside-where';

class Stubs<Stub> {
  readonly #namespace: ObjectNamespace<Stub>;
  readonly #stubs = new Map<string, Stub>();

  constructor(namespace: ObjectNamespace<Stub>) {
    this.#namespace = namespace;
  }

  async use<T>(name: string, call: (stub: Stub) => Promise<T>): Promise<T> {
    const stub = this.#stubs.get(name) ?? this.#namespace.getByName(name);
    this.#stubs.set(name, stub);
    try {
      return await call(stub);
    } catch (error) {
      if (this.#stubs.get(name) === stub) this.#stubs.delete(name);
      throw error;
    }
  }
}

export function partitionLink(namespace: ObjectNamespace<PartitionStub>): PartitionLink {
  const stubs = new Stubs(namespace);
  const nameOf = ({ namespace: space, station, partition }: Where) => `${space}.${station}.${partition}`;
  return {
    ask: (where, method, args) => stubs.use(nameOf(where), (stub) => stub.ask(where, method, args)),
    listen: (where, listener) => stubs.use(nameOf(where), (stub) => listen(stub, where, listener)),
  };
}

async function listen(stub: PartitionStub, where: Where, { message, closed }: ChannelListener): Promise<Channel> {
  const headers = { Upgrade: 'websocket', [WHERE_HEADER]: encodeURIComponent(JSON.stringify(where)) };
  const response = await stub.fetch('https://partition/', { headers });
  const { webSocket: socket } = response;
  if (socket === null) {
    const answer = (await response.json()) as Answer;
    throw answer.ok ? new TypeError('The object opened no socket.') : new WaysideError(answer.code, answer.detail, answer.extra);
  }
  socket.accept();
  let isOver = false;
  const over = () => {
    if (isOver) return;
    isOver = true;
    closed();
  };
  socket.addEventListener('message', ({ data }) => message(String(data)));
  socket.addEventListener('close', over);
  socket.addEventListener('error', over);
  return {
    send: (text) => {
      // One that has just gone throws; its close is on its way to us.
      try {
        socket.send(text);
      } catch {
        over();
      }
    },
    close: () => {
      isOver = true;
      socket.close(1000, '');
    },
  };
}

export function catalogLink(namespace: ObjectNamespace<CatalogStub>): CatalogLink {
  const stubs = new Stubs(namespace);
  return {
    ask: (what, method, args) => stubs.use(CATALOG, (stub) => stub.ask(what, method, args)),
    exportStream: async (space, input) => {
      const answer = await stubs.use(CATALOG, (stub) => stub.exportStream(space, input));
      if (!answer.ok) return answer;
      const { id, bytes } = answer.value as { id: string; bytes: ReadableStream<Uint8Array> };
      return { ok: true, value: { id, bytes: bytesOf(bytes) } };
    },
    importStream: (space, input, pieces) => stubs.use(CATALOG, (stub) => stub.importStream(space, input, streamOf(pieces))),
  };
}

export function catalogStub(namespace: ObjectNamespace<CatalogStub>): CatalogStub {
  return namespace.getByName(CATALOG);
}
