/**
 * A partition's side of what is on its way to others: giving out bytes, and noting what became of it.
 *
 * Holds: bytes are there until the entry that ends their intent; an end is synced before it counts, whatever the station says.
 * Elsewhere: what is on its way (outbox.ts), who sends it (broker/outbox.ts).
 */
import type { ActorLog, Draft } from '../actor/log.ts';
import { draft } from '../actor/log.ts';
import type { BatchBuilder } from '../batch/build.ts';
import { RecordCursor } from '../batch/cursor.ts';
import { HEADER_BYTES } from '../batch/layout.ts';
import { skip } from '../batch/walk.ts';
import type { Block } from '../calls.ts';
import { KIND } from '../entry/kinds.ts';
import type { IntentEnded } from '../entry/outbox.ts';
import type { Journal, Timers } from '../ports.ts';
import { copyRecord, copyToStation, findLetter } from './dead.ts';
import type { Intent } from './outbox.ts';
import { OUTPUT_PLACE } from './outbox.ts';
import { carriedDraft } from './retain.ts';
import type { Letter, PartitionState } from './state.ts';
import { letterKey } from './state.ts';
import type { Found, Stored } from './stored.ts';
import { Valve } from './valve.ts';

/** A removed partition waits so long for what is on its way to others, and looks so often. */
const DRAIN_MS = 5_000;
const DRAIN_LOOK_MS = 20;
/** Dead letters that are put on their way as copies in one commit. */
const COPIED_AT_ONCE = 500;

/** What it needs of the partition. */
export interface OutgoingParts {
  readonly log: ActorLog;
  readonly state: PartitionState;
  readonly stored: Stored;
  readonly ports: { readonly timers: Timers; readonly journal: Journal };
  isOver(): boolean;
  /** What is due may be another now. */
  changed(): void;
  /** Undefined when it was removed while its bytes were read. */
  letterBlock(letter: Letter): Promise<Block | undefined>;
}

export class Outgoing {
  /** Held while somebody looks at several partitions at a time. */
  readonly valve: Valve;
  readonly #log: ActorLog;
  readonly #state: PartitionState;
  readonly #stored: Stored;
  readonly #ports: OutgoingParts['ports'];
  readonly #isOver: () => boolean;
  readonly #changed: () => void;
  readonly #letterBlock: (letter: Letter) => Promise<Block | undefined>;

  constructor({ log, state, stored, ports, isOver, changed, letterBlock }: OutgoingParts) {
    this.valve = new Valve(ports.timers);
    this.#log = log;
    this.#state = state;
    this.#stored = stored;
    this.#ports = ports;
    this.#isOver = isOver;
    this.#changed = changed;
    this.#letterBlock = letterBlock;
  }

  /** By what others know it as a producer. No user's producer has a name that begins with a dot. */
  get senderName(): string {
    return `.${this.#log.key}`;
  }

  /** The sequence that a producer of this name uses next here. */
  nextOf(producer: string): number {
    return this.#state.producers.find(producer, this.#log.now)?.next ?? 1;
  }

  /** Of the outboxes of others that have sent something here: the place that each one's next message has. */
  arrivals(): { readonly sender: string; readonly next: number }[] {
    return [...this.#state.producers.outboxes()].map(({ id, next }) => ({ sender: id, next }));
  }

  /** Its record, as it is to be produced. */
  async appendIntent(builder: BatchBuilder, intent: Intent): Promise<void> {
    const block = await this.#intentBlock(intent);
    const letter = intent.what === 'copy' ? this.#state.letters.get(letterKey(intent.sequence, intent.died)) : undefined;
    if (letter === undefined) builder.appendRecord(block.bytes, block.start, block.end);
    else copyRecord(builder, this.#state, letter, block);
  }

  async #intentBlock(intent: Intent): Promise<Block> {
    if (intent.what !== 'output') return (await this.#stored.take(intent.sequence, 1, 1)).block;
    for (;;) {
      const { index, record } = intent;
      try {
        const { body } = await this.#stored.entry(index);
        const start = skip(body, HEADER_BYTES, record);
        const { partition } = this.#state;
        return { bytes: body, start, end: skip(body, start, 1), partition, first: 0, count: 1, producedAt: this.#log.now };
      } catch (error) {
        // It was written again elsewhere while it was read.
        if (intent.index === index) throw error;
      }
    }
  }

  /** Puts copies on their way to a station. @param route the partition of a record. @returns how many */
  async copyLetters(station: number, route: (cursor: RecordCursor) => number): Promise<number> {
    const chosen: Letter[] = [];
    const partitions: number[] = [];
    for (const key of [...this.#state.uncopied].slice(0, COPIED_AT_ONCE)) {
      const letter = this.#state.letters.get(key);
      const block = letter && (await this.#letterBlock(letter));
      if (letter === undefined || block === undefined || this.#state.letters.get(key) !== letter) continue;
      const cursor = new RecordCursor(block.bytes, block.start, block.end);
      cursor.next();
      chosen.push(letter);
      partitions.push(route(cursor));
    }
    if (this.#isOver()) return 0;
    // Some may have gone while the bytes of others were read.
    const there = chosen.map((letter) => findLetter(this.#state, letter) === letter);
    copyToStation(
      this.#log,
      chosen.filter((_, i) => there[i]),
      station,
      partitions.filter((_, i) => there[i]),
    );
    this.#changed();
    return there.filter(Boolean).length;
  }

  /** What is on its way has time to get there, before all that is here goes. */
  async drained(): Promise<void> {
    const { timers, journal } = this.#ports;
    // Whoever holds it looks at something that is about to go.
    this.valve.releaseAll();
    for (let waited = 0; this.#state.outbox.count > 0 && !this.#isOver(); waited += DRAIN_LOOK_MS) {
      if (waited >= DRAIN_MS) {
        const { count } = this.#state.outbox;
        journal.warn(`Partition ${this.#log.key} is removed with ${count} messages that could not get to other stations.`);
        return;
      }
      await new Promise<void>((resolve) => {
        timers.after(DRAIN_LOOK_MS, resolve);
      });
    }
  }

  async sent(intents: readonly Intent[]): Promise<void> {
    await this.#ended({ produced: intents.map(({ number }) => number), refused: [] });
  }

  /** A refused output becomes a dead letter with bytes of its own; a letter stays one. */
  async refused(intents: readonly Intent[], error: string): Promise<void> {
    const outputs = new Map<number, Found>();
    for (const intent of intents) {
      if (intent.what !== 'output' || !this.#state.groups.has(intent.group)) continue;
      outputs.set(OUTPUT_PLACE + intent.number, { block: await this.#intentBlock(intent), index: 0 });
    }
    const lost = intents.filter(({ what, number }) => what === 'output' && !outputs.has(OUTPUT_PLACE + number)).length;
    if (lost > 0)
      this.#ports.journal.error(`Partition ${this.#log.key}: ${lost} outputs of a group that was removed are refused: ${error}`);
    for (const intent of intents)
      if (intent.what === 'copy') this.#ports.journal.warn(`Partition ${this.#log.key}: a dead letter is not copied: ${error}`);
    const more = outputs.size === 0 ? [] : [carriedDraft(outputs)];
    await this.#ended({ produced: [], refused: intents.map(({ number }) => ({ number, error })) }, more);
  }

  async #ended(ended: IntentEnded, more: readonly Draft[] = []): Promise<void> {
    this.#log.append([draft(KIND.intentEnded, ended), ...more], this.#log.now);
    this.#changed();
    await this.#log.wait(this.#log.last, 'synced');
  }
}
