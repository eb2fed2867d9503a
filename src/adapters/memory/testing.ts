/** `wayside/testing`: a broker in a test's own process, and time that the test moves. Runs in every runtime. */
export type { RunOptions, VirtualClock, VirtualClockOptions } from './clock.ts';
export { virtualClock } from './clock.ts';
export type { MemoryOptions as EmbedOptions } from './embed.ts';
export { embed } from './embed.ts';
export type { Embedded, EmbeddedClientOptions } from './embedded.ts';
export type { Operation } from './wire.ts';
