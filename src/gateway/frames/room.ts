/**
 * Room in one session for what is delivered: bytes that are on their way out and bytes that looks may still bring.
 *
 * Holds: what waits to leave and what is leased for this session stay below the bound together, but for one message
 * that may overdraw it; whoever finds no room waits in line and is woken in turn, so that no subscription starves.
 * Elsewhere: who looks (subscription.ts, the fetch of verbs.ts), what a look leases (core).
 */
export class DeliveryRoom {
  readonly #bytesMax: number;
  readonly #buffered: () => number;
  readonly #line: (() => void)[] = [];
  /** Taken by looks that are under way. */
  #held = 0;

  /** @param buffered bytes that the carrier has not taken yet */
  constructor(bytesMax: number, buffered: () => number) {
    this.#bytesMax = bytesMax;
    this.#buffered = buffered;
  }

  get free(): number {
    return this.#bytesMax - this.#held - this.#buffered();
  }

  /** A look at a group's messages, which may take so much. `signal` also ends when there is no room. */
  look(bytesMax: number): Look {
    return new Look(this, bytesMax);
  }

  hold(bytes: number): void {
    this.#held += bytes;
  }

  /** Resolves when it is one's turn to look. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#line.push(resolve);
      this.changed();
    });
  }

  /** Something has left: those at the head of the line may look, as many as there may be room for. */
  changed(): void {
    for (let free = this.free; free > 0 && this.#line.length > 0; free -= BYTES_A_TURN) this.#line.shift()!();
  }

  /** Lets everyone go. */
  end(): void {
    for (const resolve of this.#line.splice(0)) resolve();
  }
}

/** What one in the line is assumed to take, so that a little room does not wake all of them. */
const BYTES_A_TURN = 64 * 1024;

/** One fetch, with what it holds of the room. */
export class Look {
  /** It found no room, and has taken nothing. */
  full = false;
  readonly #room: DeliveryRoom;
  readonly #bytesMax: number;
  readonly #abort = new AbortController();
  #held = 0;

  constructor(room: DeliveryRoom, bytesMax: number) {
    this.#room = room;
    this.#bytesMax = bytesMax;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  take(bytes: number): number {
    const taken = Math.min(bytes, this.#bytesMax, this.#room.free);
    if (taken <= 0) {
      // A hint that this one cannot use has to reach another: the fetch ends and passes it on.
      this.full = true;
      this.#abort.abort();
      return 0;
    }
    this.#hold(taken);
    return taken;
  }

  giveBack(bytes: number): void {
    this.#hold(-bytes);
  }

  /** Ends it from outside. */
  end(): void {
    this.#abort.abort();
  }

  /** What it brought is handed on, or gone: nothing of the room is held any more. */
  done(): void {
    this.#hold(-this.#held);
    this.#room.changed();
  }

  #hold(bytes: number): void {
    this.#held += bytes;
    this.#room.hold(bytes);
  }
}
