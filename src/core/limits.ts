/**
 * Every limit: its number, its unit in its name, and why it is there. All are settings (`Broker` takes a partial table).
 *
 * Holds: relations between limits are asserted when a table is made, so that a setting cannot break another.
 * Elsewhere: what refuses when a limit is passed names the limit in its text.
 */

export const DEFAULT_LIMITS = {
  /** Payload bytes of one message. */
  messageBytesMax: 1024 * 1024,
  /** Record bytes of one batch, headers of the batch included. */
  batchBytesMax: 8 * 1024 * 1024,
  batchCountMax: 10_000,
  /** Header names and values of one message, in bytes. */
  headerBytesMax: 16 * 1024,
  /** Bytes of a key and of an id. */
  keyBytesMax: 1024,
  idBytesMax: 1024,
  /** Longest body of a control call, in bytes. */
  controlBytesMax: 256 * 1024,
  waitMsMax: 30_000,
  leaseMsMin: 1_000,
  leaseMsMax: 12 * 60 * 60 * 1000,
  leaseMsDefault: 30_000,
  maxDeliveriesDefault: 10,
  maxDeliveriesMax: 1_000_000,
  maxInFlightMax: 1_000_000_000,
  /** Longest delay of a message and of a nack, and the longest expiry. */
  delayMsMax: 365 * 24 * 60 * 60 * 1000,
  backoffCountMax: 100,
  /** A filter's text, in bytes, and its terms. */
  filterBytesMax: 1_024,
  filterTermsMax: 64,
  /** Delayed messages of a partition, and their bytes. */
  schedulesMax: 10_000_000,
  /** Order `key`: messages of a group and partition that are out or wait, above which no newer ones are looked at. */
  lookAheadMax: 10_000,
  /** Messages that one fetch may pass over (filtered, expired) in a partition before it answers or asks others. */
  passedMax: 10_000,
  /** What is on its way from one partition to others; above it new redrives and steps are refused. */
  intentsMax: 100_000,
  /** Batches of one step. */
  outputsMax: 100,
  dedupWindowMsDefault: 120_000,
  dedupWindowMsMax: 7 * 24 * 60 * 60 * 1000,
  /** Ids that are written, and read again, together. */
  idSliceMax: 4_096,
  /** How long a partition knows a producer that sends nothing new, and how many it knows. */
  producerMs: 24 * 60 * 60 * 1000,
  producersMax: 10_000,
  /** Exports and imports at a time; and until one ends that nobody reads, or goes on with. */
  exportsMax: 8,
  importsMax: 8,
  exportIdleMs: 60_000,
  importIdleMs: 10 * 60_000,
  partitionsMax: 256,
  stationsMax: 100_000,
  groupsPerStationMax: 1_000,
  /** Runs (§9 h of the design) of one group in one partition; above it deliveries pause. */
  runsMax: 10_000,
  /** Messages, and their bytes, that one fetch or one read gives at most and unless asked. */
  fetchCountMax: 10_000,
  fetchBytesMax: 8 * 1024 * 1024,
  fetchCountDefault: 100,
  fetchBytesDefault: 1024 * 1024,
  listLimitDefault: 100,
  listLimitMax: 1_000,
  /** Receipts of one call, and its ranges; and the messages that its ranges name together. */
  receiptsMax: 10_000,
  settledMax: 1_000_000,
  /** Text given with a reject, in bytes. */
  reasonBytesMax: 4 * 1024,
  /** Fetches and reads that wait for messages, of all stations together. */
  waitersMax: 10_000,
  /** Bytes that wait for the next write of a volume; more is refused as OVERLOADED. */
  pendingBytesMax: 64 * 1024 * 1024,
  /** State entries' bytes after which an actor writes its sections. */
  settleBytes: 1024 * 1024,
  /** Time within which what was written is synced although nobody waits for it. */
  syncWithinMs: 50,
  /** How long a clock that has gone on by more than a day since the last entry is not trusted with what goes by age. */
  clockTrustMs: 10 * 60_000,
  ticketMs: 60_000,
  /** One frame, whatever is in it; base64 and the names of fields make JSON larger than the records it becomes. */
  frameBytesMax: 17 * 1024 * 1024,
  /** Bytes that wait to leave one session: above it its frames are not read, somewhat below it nothing is delivered to it. */
  outgoingBytesMax: 4 * 1024 * 1024,
  /** Calls of one session that have no answer yet, and its subscriptions. */
  callsMax: 4_096,
  subscriptionsMax: 1_000,
  /** Until the first frame of a session must be there. */
  helloMs: 10_000,
} as const;

export type Limits = { readonly [name in keyof typeof DEFAULT_LIMITS]: number };

/** @throws TypeError names the limit that is no whole number above zero, or the relation that does not hold */
export function makeLimits(changes: Partial<Limits> = {}): Limits {
  const limits: Limits = { ...DEFAULT_LIMITS, ...changes };
  for (const [name, value] of Object.entries(limits)) {
    if (!(name in DEFAULT_LIMITS)) throw new TypeError(`There is no limit named ${name}.`);
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TypeError(`The limit ${name} is ${value}; it must be a whole number above zero.`);
  }
  const ordered: [keyof Limits, keyof Limits][] = [
    ['messageBytesMax', 'batchBytesMax'],
    ['leaseMsMin', 'leaseMsDefault'],
    ['leaseMsDefault', 'leaseMsMax'],
    ['maxDeliveriesDefault', 'maxDeliveriesMax'],
    ['dedupWindowMsDefault', 'dedupWindowMsMax'],
    ['listLimitDefault', 'listLimitMax'],
    ['fetchCountDefault', 'fetchCountMax'],
    ['fetchBytesDefault', 'fetchBytesMax'],
    ['batchBytesMax', 'pendingBytesMax'],
    ['batchBytesMax', 'frameBytesMax'],
  ];
  for (const [less, more] of ordered) {
    if (limits[less] > limits[more]) throw new TypeError(`The limit ${less} (${limits[less]}) is above ${more} (${limits[more]}).`);
  }
  return limits;
}

/** A name of API.md §2: 1 to 128 of `a-z A-Z 0-9 . _ -`, not starting with a dot. */
export function isName(name: string): boolean {
  return NAME.test(name);
}

export const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;
