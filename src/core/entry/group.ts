/** Groups of a partition: made, changed, removed, moved; and what happens to the messages that they are given. */
import type { Backoff } from '../calls.ts';
import type { Codec, Of } from './codec.ts';
import { flag, list, number, oneOf, optional, struct, text } from './codec.ts';

const backoff = struct({
  /** Empty where it is exponential. */
  delaysMs: list(number),
  minMs: number,
  maxMs: number,
  factor: number,
  jitterPercent: number,
});

const backoffCodec: Codec<Backoff> = {
  write(writer, value) {
    const rule = 'minMs' in value ? value : { minMs: 0, maxMs: 0, factor: 0, jitterPercent: 0 };
    backoff.write(writer, { ...rule, delaysMs: 'minMs' in value ? [] : value });
  },
  read(reader) {
    const { delaysMs, ...rule } = backoff.read(reader);
    return delaysMs.length > 0 ? delaysMs : rule;
  },
};

export const groupConfig = struct({
  startAt: text,
  order: oneOf('none', 'key', 'partition'),
  leaseMs: number,
  maxDeliveries: number,
  maxInFlight: optional(number),
  maxInFlightPerConsumer: optional(number),
  backoff: optional(backoffCodec),
  filter: optional(text),
  paused: flag,
});

/** `at`: the sequence that is delivered first, settled from `startAt` in the step that made the group. */
export const groupMade = struct({ command: number, group: number, name: text, at: number, config: groupConfig });
export type GroupMade = Of<typeof groupMade>;

export const groupChanged = struct({ command: number, group: number, config: groupConfig });
export type GroupChanged = Of<typeof groupChanged>;

export const groupRemoved = struct({ command: number, group: number });
export type GroupRemoved = Of<typeof groupRemoved>;

/** The group goes on at `at`; leases up to and with this entry end. */
export const sought = struct({ command: number, group: number, at: number });
export type Sought = Of<typeof sought>;

/** Messages `from … from + count − 1`. */
export const range = struct({ from: number, count: number });
export type Range = Of<typeof range>;

/** The lease is named by this entry (epoch, index). `deliveries` counts this one. */
export const leased = struct({
  group: number,
  consumer: text,
  expires: number,
  runs: list(struct({ from: number, count: number, deliveries: number })),
});
export type Leased = Of<typeof leased>;

export const acked = struct({ group: number, ranges: list(range) });
export type Acked = Of<typeof acked>;

/** Gone by without being given out: for good, or (`held`) until an earlier message of their key is settled. */
export const passed = struct({ group: number, why: oneOf('filtered', 'expired', 'held'), ranges: list(range) });
export type Passed = Of<typeof passed>;

/** Back to be delivered again, not before `due` (0: at once). `uncounted`: the delivery did not leave the broker. */
export const returned = struct({ group: number, why: oneOf('nacked', 'expired', 'uncounted'), due: number, ranges: list(range) });
export type Returned = Of<typeof returned>;

export const extended = struct({ group: number, expires: number, ranges: list(range) });
export type Extended = Of<typeof extended>;

/** Dead for this group. A letter is named by partition, sequence and the index of this entry. */
export const died = struct({ group: number, reason: oneOf('rejected', 'max-deliveries', 'expired'), error: text, ranges: list(range) });
export type Died = Of<typeof died>;

const letter = struct({ sequence: number, died: number });

/** Back to the group that failed, as if never delivered. */
export const redriven = struct({ letters: list(letter) });
export type Redriven = Of<typeof redriven>;

export const lettersRemoved = struct({ why: oneOf('removed', 'age', 'redriven'), letters: list(letter) });
export type LettersRemoved = Of<typeof lettersRemoved>;

/**
 * A consumer has made something of messages: they are settled, and what was made is in the entry before. Spans are those that
 * were asked for, so that a repeat is known.
 */
export const stepped = struct({
  group: number,
  ranges: list(range),
  spans: list(struct({ from: number, to: number, epoch: number, index: number })),
  produced: number,
});
export type Stepped = Of<typeof stepped>;
