/** The settings of a log volume: units last, defaults that follow the segment's size so that small test volumes keep proportion. */

export interface LogSettings {
  /** A file holds so much, or one commit where that is larger. */
  readonly segmentBytes: number;
  /** A chunk of the arena. */
  readonly chunkBytes: number;
  /** Recent chunks kept in memory for readers at the head. */
  readonly tailBytes: number;
  /** Zeros written at once ahead of the log, so that small commits overwrite and `hasRoom` can answer. */
  readonly fillStepBytes: number;
  /** Claimed space that data never takes: sections, trims, state and copies go on while the disk is full. */
  readonly headroomBytes: number;
  /** What was written is synced within this time although nobody asks. */
  readonly syncWithinMs: number;
  /** Waits so long before a sync for more to come; 0 for none. */
  readonly gatherMs: number;
  /** Committed bytes that are not synced; above it `hasRoom` says no until a sync has caught up. */
  readonly pendingBytesMax: number;
  /** A watermark that nothing follows is written after this time. */
  readonly idleMs: number;
  /** How long a full disk, or a failed attempt in the background, waits until it is tried again. */
  readonly retryMs: number;
  /** Leftovers copied forward before the log's other users have a turn. */
  readonly copyBytes: number;
  /** An actor that was asked to settle has this long before its state is copied. */
  readonly settleMs: number;
  /** Unpacked entry tables of sealed segments kept in memory. */
  readonly tableBytes: number;
  /** Files of sealed segments kept open. */
  readonly openFiles: number;
}

export function makeSettings(changes: Partial<LogSettings> = {}): LogSettings {
  const segmentBytes = changes.segmentBytes ?? 64 * 1024 * 1024;
  const part = (bytes: number, share: number): number => Math.max(4096, Math.min(bytes, Math.floor(segmentBytes / share / 8) * 8));
  return {
    chunkBytes: 4 * 1024 * 1024,
    tailBytes: 32 * 1024 * 1024,
    fillStepBytes: part(512 * 1024, 4),
    headroomBytes: part(8 * 1024 * 1024, 4),
    syncWithinMs: 50,
    gatherMs: 0,
    pendingBytesMax: 64 * 1024 * 1024,
    idleMs: 1000,
    retryMs: 250,
    copyBytes: 1024 * 1024,
    settleMs: 2000,
    tableBytes: 16 * 1024 * 1024,
    openFiles: 128,
    ...changes,
    segmentBytes,
  };
}
