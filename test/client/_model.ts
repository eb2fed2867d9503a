/**
 * A broker as small as the SDK can be tested against: stations with producers as API.md §4 has them, over links in memory
 * and in virtual time. What goes wrong on the way is the test's to choose.
 *
 * Holds: it stores as the contract says, whatever happens to frames and answers.
 */
import type { VirtualClock } from '../../src/adapters/memory/testing.ts';
import type { ClientFrame, Link, LinkEnd, ServerFrame } from '../../src/client/index.ts';
import { checkBatch, RecordCursor } from '../../src/core/batch/walk.ts';
import { DEFAULT_LIMITS } from '../../src/core/limits.ts';

/**
 * What becomes of one produce frame. `cut…` ends the link, before or after it was stored; `lost`: it never came;
 * `garbled`: it is stored, and the answer makes no sense; `forgotten`: the broker knows its producers no more.
 */
export type Fate =
  | 'answered'
  | 'slow'
  | 'twice'
  | 'lost'
  | 'unanswered'
  | 'cut-before'
  | 'cut-after'
  | 'overloaded'
  | 'goaway'
  | 'refused'
  | 'garbled'
  | 'forgotten';

export interface Station {
  readonly partitions: number;
  /** Payloads as texts, by partition. */
  readonly logs: string[][];
  readonly producers: Map<string, Known>;
}

interface Known {
  epoch: number;
  next: number;
  /** The first batch of its epoch is answered. */
  isTold: boolean;
  /** Producer sequence → message sequence, of this epoch. */
  readonly places: Map<number, number>;
}

type Produce = Extract<ClientFrame, { op: 'produce' }>;

export class ModelBroker {
  readonly clock: VirtualClock;
  readonly stations = new Map<string, Station>();
  /** Every frame that came, in order. */
  readonly frames: ClientFrame[] = [];
  readonly links = new Set<ModelLink>();
  /** How often a link was asked for. */
  opened = 0;
  isDown = false;
  fate: (frame: Produce) => Fate = () => 'answered';
  /** Takes a frame instead of the model; true: it has. */
  instead: (frame: ClientFrame, link: ModelLink) => boolean = () => false;

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  station(name: string, partitions = 1): Station {
    const station = { partitions, logs: Array.from({ length: partitions }, () => []), producers: new Map() };
    this.stations.set(name, station);
    return station;
  }

  readonly open = async (): Promise<Link> => {
    this.opened++;
    await Promise.resolve();
    if (this.isDown) throw new Error('nobody is there');
    const link = new ModelLink(this);
    this.links.add(link);
    return link;
  };

  /** All links end, as when the process dies. */
  cut(end: LinkEnd = { code: 1006 }): void {
    for (const link of [...this.links]) link.end(end);
  }

  receive(frame: ClientFrame, link: ModelLink): void {
    this.frames.push(frame);
    if (this.instead(frame, link)) return;
    if (frame.op === 'hello') link.give({ op: 'welcome', session: 's', limits: {} });
    else if (frame.op === 'ping') link.give({ op: 'pong' });
    else if (frame.op === 'call') link.give({ id: frame.id, ok: this.#call(frame.path) });
    else if (frame.op === 'produce') this.#produce(frame, link);
  }

  #call(path: string): { status: number; body: unknown } {
    const station = this.stations.get(path.split('/').at(-1)!);
    if (station === undefined) return { status: 404, body: { code: 'STATION_NOT_FOUND', detail: 'There is none.' } };
    const { partitions } = station;
    const width = 4096 / partitions;
    const slots = Array.from({ length: partitions }, (_, p) => [Math.ceil(p * width), Math.ceil((p + 1) * width) - 1, p]);
    return { status: 200, body: { partitions, slots } };
  }

  #produce(frame: Produce, link: ModelLink): void {
    const { id } = frame;
    const fate = this.fate(frame);
    if (fate === 'lost') return;
    if (fate === 'cut-before') link.end({ code: 1006 });
    else if (fate === 'overloaded') link.give({ id, error: { code: 'OVERLOADED', detail: 'Too much.', retryAfterMs: 10 } });
    else if (fate === 'refused') link.give({ id, ...refused('LIMIT_EXCEEDED') });
    else {
      if (fate === 'forgotten') this.#forget();
      const answer = { id, ...this.#store(frame) };
      if (fate === 'cut-after') link.end({ code: 1006 });
      else if (fate !== 'unanswered') this.#answer(frame, link, answer, fate);
    }
  }

  #answer(frame: Produce, link: ModelLink, answer: object, fate: Fate): void {
    if (fate === 'goaway') link.give({ op: 'goaway', afterMs: 1_000 });
    if (fate === 'slow') this.clock.after(40, () => link.give(answer));
    else if (fate === 'garbled') link.give({ ...answer, ok: { ranges: [[0, 1, 99]], duplicates: [], errors: [], durability: 'synced' } });
    else link.give(answer, () => this.#told(frame));
    if (fate === 'twice') link.give(answer);
  }

  /** The SDK has an answer to a batch that could come again as a first one. */
  #told({ station, partition = 0, producer }: Produce): void {
    const known = this.stations.get(station)?.producers.get(`${producer!.id} in ${partition}`);
    if (known !== undefined && known.epoch === producer!.epoch && producer!.sequence === 1) known.isTold = true;
  }

  /** Of a first batch that comes again nobody could tell: that a day is remembered is the broker's own promise. */
  #forget(): void {
    for (const { producers } of this.stations.values()) {
      for (const [id, { isTold }] of producers) if (isTold) producers.delete(id);
    }
  }

  #store({ station: name, partition = 0, records, producer }: Produce): { ok: unknown } | { error: { code: string; detail: string } } {
    const station = this.stations.get(name);
    if (station === undefined) return refused('STATION_NOT_FOUND');
    const view = checkBatch(records!, DEFAULT_LIMITS);
    const log = station.logs[partition]!;
    if (producer === undefined) throw new Error('the SDK always names its producer');
    const id = `${producer.id} in ${partition}`;
    let known = station.producers.get(id);
    if (known !== undefined && producer.epoch < known.epoch) return refused('PRODUCER_FENCED');
    const isNew = known === undefined || producer.epoch > known.epoch;
    if (producer.sequence > (isNew ? 1 : known!.next)) return refused('PRODUCER_GAP');
    if (isNew || known === undefined) {
      known = { epoch: producer.epoch, next: 1, isTold: false, places: new Map() };
      station.producers.set(id, known);
    }
    const record = new RecordCursor(view.bytes, view.recordsStart, view.recordsEnd);
    const duplicates: [number, number, number][] = [];
    const first = log.length + 1;
    for (let i = 0; record.next(); i++) {
      const place = known.places.get(producer.sequence + i);
      if (place !== undefined) duplicates.push([i, partition, place]);
      else {
        log.push(new TextDecoder().decode(record.payload));
        known.places.set(producer.sequence + i, log.length);
      }
    }
    known.next = Math.max(known.next, producer.sequence + view.count);
    const count = log.length + 1 - first;
    return { ok: { ranges: count > 0 ? [[partition, first, count]] : [], duplicates, scheduled: [], errors: [], durability: 'synced' } };
  }
}

/** One end of a link; frames arrive in a microtask of their own. */
export class ModelLink implements Link {
  onFrame: Link['onFrame'];
  onClose: Link['onClose'];
  #isOpen = true;
  readonly #broker: ModelBroker;

  constructor(broker: ModelBroker) {
    this.#broker = broker;
  }

  send(frame: ClientFrame): void {
    queueMicrotask(() => {
      if (this.#isOpen) this.#broker.receive(frame, this);
    });
  }

  /** Anything, also what is no frame. @param then it has come */
  give(frame: ServerFrame | unknown, then: () => void = () => undefined): void {
    queueMicrotask(() => {
      if (!this.#isOpen) return;
      then();
      this.onFrame?.(frame as ServerFrame);
    });
  }

  end(end: LinkEnd): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#broker.links.delete(this);
    queueMicrotask(() => this.onClose?.(end));
  }

  close(): void {
    this.#isOpen = false;
    this.#broker.links.delete(this);
  }

  buffered(): number {
    return 0;
  }
}

function refused(code: string): { error: { code: string; detail: string } } {
  return { error: { code, detail: `It is ${code}.` } };
}
