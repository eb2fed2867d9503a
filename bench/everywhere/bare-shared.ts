/** The bare SharedWorker: it stores the blob that a message brings in one strict transaction, and answers. */
import { openBare, store } from './bare-loop.ts';

const database = openBare('bare-shared');
let next = Date.now();

interface Scope {
  onconnect: (event: { readonly ports: readonly MessagePort[] }) => void;
}

(self as unknown as Scope).onconnect = ({ ports: [port] }) => {
  if (port === undefined) return;
  port.onmessage = async ({ data }: MessageEvent<Uint8Array>) => {
    await store(await database, data, next++, true);
    port.postMessage(data.length);
  };
};
