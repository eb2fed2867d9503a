/** What a check finds, as data: what `--json` prints and the text is made from. */

/** Bytes of a file that are not what was written there. */
export interface Damage {
  readonly file: string;
  readonly from: number;
  readonly to: number;
  readonly what: string;
}

export interface SegmentReport {
  readonly file: string;
  readonly bytes: number;
  /** `sealed` never changes again; `open` was being written last; `prepared` holds nothing yet. */
  readonly state: 'sealed' | 'open' | 'prepared' | 'damaged';
  readonly blocks: number;
  readonly entries: number;
  /** Bytes behind the end of the log: a write that was never confirmed, which the next start cuts off. */
  readonly tornBytes: number;
}

export interface PartitionReport {
  readonly partition: number;
  readonly messages: number;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
  readonly groups: number;
  readonly deadLetters: number;
  /** Sequences `[from, to]` whose bytes are damaged or missing: they cannot be delivered. */
  readonly lost: readonly (readonly [number, number])[];
  /** Why its state cannot be read; the partition does not open. */
  readonly fault?: string;
}

export interface StationReport {
  readonly namespace: string;
  readonly station: string;
  readonly durability: string;
  readonly partitions: readonly PartitionReport[];
}

export interface Report {
  readonly folder: string;
  /** A broker has the folder open. */
  readonly inUse: boolean;
  readonly ok: boolean;
  readonly segments: readonly SegmentReport[];
  readonly stations: readonly StationReport[];
  readonly damages: readonly Damage[];
  /** Why a broker would refuse to start on the folder. */
  readonly refused?: string;
  /** What is unusual, and mends itself. */
  readonly notes: readonly string[];
}
