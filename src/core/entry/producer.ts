/** What a producer that counts for itself has used, beside the messages that it became (in the same commit). */
import type { Of } from './codec.ts';
import { list, number, struct, text } from './codec.ts';

/** Its sequences `sequence … + count − 1` are the messages `first … + count − 1`. */
export const producerRun = struct({ sequence: number, count: number, first: number });
export type ProducerRun = Of<typeof producerRun>;

/**
 * `producer` has used `sequence … sequence + count − 1` in its epoch. What is not in `stored` was refused, or stored before
 * under its id. A `sequence` of 1 begins an epoch.
 */
export const producerMoved = struct({ producer: text, epoch: number, sequence: number, count: number, stored: list(producerRun) });
export type ProducerMoved = Of<typeof producerMoved>;
