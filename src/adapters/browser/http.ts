/** HTTP over a door: requests as messages, their answers in pieces. */
import type { Gateway } from '../../gateway/gateway.ts';
import type { Channel, FromHttp, ToHttp } from './messages.ts';

export function serveHttp(channel: Channel, gateway: Gateway): void {
  const underway = new Map<number, AbortController>();
  const say = (message: FromHttp) => channel.postMessage(message);
  channel.onmessage = ({ data }: MessageEvent<ToHttp>) => {
    if ('cancel' in data) {
      underway.get(data.id)?.abort();
      return;
    }
    const { id, request } = data;
    const abort = new AbortController();
    underway.set(id, abort);
    answer(gateway, id, new Request(request.url, { ...request, signal: abort.signal }), say, abort.signal)
      .catch(() => say({ id, end: true, broken: true }))
      .finally(() => underway.delete(id));
  };
}

async function answer(
  gateway: Gateway,
  id: number,
  request: Request,
  say: (message: FromHttp) => void,
  signal: AbortSignal,
): Promise<void> {
  const response = await gateway.fetch(request);
  say({ id, head: { status: response.status, headers: [...response.headers] } });
  const reader = response.body?.getReader();
  signal.addEventListener('abort', () => void reader?.cancel().catch(() => undefined));
  for (;;) {
    const piece = await reader?.read();
    if (piece === undefined || piece.done) break;
    say({ id, chunk: piece.value });
  }
  say({ id, end: true });
}
