/** `wayside/node`: a broker inside a program, and one that is served. For Node, Deno and Bun. */
export type { Embedded, EmbeddedClientOptions, EmbedOptions } from './embed.ts';
export { embed } from './embed.ts';
export type { Host, HostOptions } from './host.ts';
export { startHost } from './host.ts';
export { TrustedWebSocket } from './socket.ts';
