/**
 * Kinds whose layout is settled, so that a log written today can be read by a broker that uses them: what crosses from one
 * actor to another.
 */
import { bytes, number, oneOf, struct, text } from './codec.ts';

/** To be produced in another actor, under this actor as the producer. */
export const intended = struct({
  intent: number,
  station: number,
  why: oneOf('redrive', 'function', 'dead-letter', 'connector', 'step'),
  batch: bytes,
});

/** The intent has its partition and producer sequence: sent, and sent again only as this. */
export const intentSent = struct({ intent: number, partition: number, sequence: number });

export const intentEnded = struct({ intent: number, outcome: oneOf('produced', 'refused'), detail: text });
