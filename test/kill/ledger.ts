/**
 * What the clients were told, and what may therefore never be otherwise.
 *
 * Holds: only certain answers are held against the broker. A call without an answer, or with a 5xx, is open: it may have
 * counted or not. Times are of this process: a delivery contradicts an answer only if it was asked for after that answer.
 * Elsewhere: who makes the calls (load.ts), what is stored after a start (verify.ts).
 */

export interface Sent {
  readonly id: string;
  readonly key: string | undefined;
  readonly text: string;
  /** Told with certainty. */
  place?: string;
}

/** What a group has been told of one message. */
interface Told {
  deliveries: number;
  toldAt: number;
  settledAt?: number;
  settled?: 'ack' | 'reject';
  /** An answer to a reject was lost: it may be dead. */
  maybeDead?: boolean;
}

export interface Delivery {
  readonly partition: number;
  readonly sequence: number;
  readonly deliveries: number;
  readonly id?: string | undefined;
  readonly key?: string | undefined;
  readonly text?: string | undefined;
}

export class Violation extends Error {}

export const placeOf = (partition: number, sequence: number): string => `${partition}.${sequence}`;

/** Of one station. */
export class StationLedger {
  readonly name: string;
  readonly partitions: number;
  /** By id; every message that was ever sent. */
  readonly sent = new Map<string, Sent>();
  /** Place → id, as told. */
  readonly placed = new Map<string, string>();
  /** Told to be stored, in one of these ranges `[partition, first, count]`; until it has been seen. */
  readonly somewhere = new Map<string, readonly (readonly [number, number, number])[]>();
  readonly groups: Readonly<Record<string, GroupLedger>>;

  constructor(name: string, partitions: number, groups: readonly string[]) {
    this.name = name;
    this.partitions = partitions;
    this.groups = Object.fromEntries(groups.map((group) => [group, new GroupLedger(this, group)]));
  }

  /** The broker said that the message is stored there: for the first time, or again. */
  stored(message: Sent, partition: number, sequence: number): void {
    const place = placeOf(partition, sequence);
    const other = this.placed.get(place);
    if (other !== undefined && other !== message.id)
      throw new Violation(`${this.name}: ${place} was told for ${other} and for ${message.id}`);
    if (message.place !== undefined && message.place !== place)
      throw new Violation(`${this.name}: ${message.id} was told to be at ${message.place} and at ${place}`);
    message.place = place;
    this.placed.set(place, message.id);
  }

  /** What was seen at a place must be what was sent, byte for byte, and stay where it was told to be. */
  seen(where: string, { partition, sequence, id, key, text }: Omit<Delivery, 'deliveries'>): Sent {
    const place = placeOf(partition, sequence);
    const message = id === undefined ? undefined : this.sent.get(id);
    if (message === undefined) throw new Violation(`${this.name}: ${where} gives ${place} with id ${id}, which nobody has sent`);
    if (message.text !== text || message.key !== key)
      throw new Violation(`${this.name}: ${where} gives ${place} (${id}) with other bytes than were sent`);
    if (message.place !== undefined && message.place !== place)
      throw new Violation(`${this.name}: ${where} gives ${id} at ${place}; it was told to be at ${message.place}`);
    return message;
  }
}

export class GroupLedger {
  readonly name: string;
  readonly told = new Map<string, Told>();
  readonly #station: StationLedger;

  constructor(station: StationLedger, name: string) {
    this.#station = station;
    this.name = name;
  }

  get #what(): string {
    return `${this.#station.name}/${this.name}`;
  }

  /** @param askedAt when the fetch was sent */
  delivered(message: Delivery, askedAt: number, now: number): void {
    this.#station.seen(`a fetch of ${this.name}`, message);
    const place = placeOf(message.partition, message.sequence);
    const told = this.told.get(place);
    if (told === undefined) {
      this.told.set(place, { deliveries: message.deliveries, toldAt: now });
      return;
    }
    if (told.settledAt !== undefined && told.settledAt < askedAt)
      throw new Violation(`${this.#what}: ${place} is delivered again after its ${told.settled} was answered`);
    if (told.toldAt < askedAt && message.deliveries < told.deliveries)
      throw new Violation(`${this.#what}: ${place} was delivered ${told.deliveries} times, and now ${message.deliveries}`);
    told.deliveries = Math.max(told.deliveries, message.deliveries);
    told.toldAt = now;
  }

  settled(verb: 'ack' | 'reject', place: string, now: number): void {
    const told = this.told.get(place)!;
    told.settled ??= verb;
    told.settledAt ??= now;
  }

  /** Dead letters that must be there: rejected with an answer. */
  get dead(): string[] {
    return [...this.told].filter(([, { settled }]) => settled === 'reject').map(([place]) => place);
  }

  maybeDead(place: string): void {
    this.told.get(place)!.maybeDead = true;
  }

  /** Rejected, but nobody knows whether it counted. */
  get undecided(): string[] {
    return [...this.told].filter(([, { maybeDead }]) => maybeDead).map(([place]) => place);
  }
}
