/**
 * The Durable Object that has one partition: wires the ports of Cloudflare to its host, and holds nothing of its own.
 *
 * Holds: whoever waits does so over a socket that stays while the object sleeps; what of it has to be known again lies with the
 * socket. An object whose partition is removed gives its storage back.
 */
import { asWaysideError } from '../../core/errors.ts';
import { makeLimits } from '../../core/limits.ts';
import type { PartitionHost } from '../../core/spread/host.ts';
import { openHost } from '../../core/spread/host.ts';
import type { KeptChannel } from '../../core/spread/links.ts';
import type { Answer, Where } from '../../core/spread/wire.ts';
import { catalogLink, partitionLink, WHERE_HEADER } from './links.ts';
import { journal, WaysideObject } from './object.ts';
import type { PlatformSocket } from './platform.ts';
import { attempt, newSocketPair } from './sockets.ts';

/** What lies with a socket. */
interface Attachment {
  readonly where: Where;
  readonly kept: readonly number[];
}

/** The Durable Object that has a partition: export it from your Worker's script under this name. The runtime makes it. */
export class WaysidePartition extends WaysideObject<PartitionHost> {
  readonly #channels = new Map<PlatformSocket, KeptChannel>();
  #asking = 0;

  protected override async open(): Promise<PartitionHost> {
    const host = await openHost({
      ...this.ports,
      volume: this.volume(),
      limits: makeLimits(),
      catalog: catalogLink(this.env.WAYSIDE_CATALOG),
      partitions: partitionLink(this.env.WAYSIDE_PARTITION),
      failed: (error) => this.ctx.abort(`The storage has failed: ${error.message}`),
    });
    for (const socket of this.ctx.getWebSockets()) await this.#connect(host, socket).catch(() => socket.close(1011, ''));
    return host;
  }

  /** A call of the Worker, of the catalog, or of another partition. */
  async ask(where: Where, method: string, args: readonly unknown[]): Promise<Answer> {
    this.#asking++;
    try {
      return await this.answered((host) => host.ask(where, method, args));
    } finally {
      this.#asking--;
      await this.#giveBack();
    }
  }

  /** Where nothing is, and nothing is on its way, nothing need be kept. */
  async #giveBack(): Promise<void> {
    if (this.#asking > 0 || !this.isOpened) return;
    const host = await this.opened().catch(() => undefined);
    if (this.#asking > 0 || host?.isEmpty !== true) return;
    this.forget();
    for (const socket of this.ctx.getWebSockets()) socket.close(1000, '');
    await this.ctx.storage.deleteAll();
  }

  /** Opens a channel for hints. */
  async fetch(request: Request): Promise<Response> {
    const where = JSON.parse(decodeURIComponent(request.headers.get(WHERE_HEADER) ?? 'null')) as Where;
    const { client, server } = newSocketPair();
    server.serializeAttachment({ where, kept: [] } satisfies Attachment);
    this.#asking++;
    try {
      const answer = await this.answered((host) => this.#connect(host, server));
      if (!answer.ok) return Response.json(answer);
      this.ctx.acceptWebSocket(server);
      return new Response(null, { status: 101, webSocket: client } as ResponseInit);
    } finally {
      this.#asking--;
      await this.#giveBack();
    }
  }

  async #connect(host: PartitionHost, socket: PlatformSocket): Promise<void> {
    await host.connect((socket.deserializeAttachment() as Attachment).where, this.#channelOf(socket));
  }

  #channelOf(socket: PlatformSocket): KeptChannel {
    const found = this.#channels.get(socket);
    if (found !== undefined) return found;
    const { where, kept } = socket.deserializeAttachment() as Attachment;
    const channel: KeptChannel = {
      kept,
      keep: (state) => attempt(() => socket.serializeAttachment({ where, kept: state } satisfies Attachment)),
      send: (text) => attempt(() => socket.send(text)),
      close: () => attempt(() => socket.close(1000, '')),
    };
    this.#channels.set(socket, channel);
    return channel;
  }

  /** By the runtime: a text came on a socket, whether or not the object slept. */
  async webSocketMessage(socket: PlatformSocket, text: string): Promise<void> {
    try {
      const host = await this.opened();
      host.message(this.#channelOf(socket), text);
    } catch (error) {
      // Whoever is at the other end looks again, and is told why.
      journal.error(`A hint could not be taken: ${asWaysideError(error).message}`);
      socket.close(1011, '');
    }
    await this.#giveBack();
  }

  /** By the runtime: a socket is no more. */
  async webSocketClose(socket: PlatformSocket): Promise<void> {
    const host = await this.opened();
    host.closed(this.#channelOf(socket));
    this.#channels.delete(socket);
    socket.close(1000, '');
  }

  /** By the runtime. */
  async webSocketError(socket: PlatformSocket): Promise<void> {
    await this.webSocketClose(socket);
  }
}
