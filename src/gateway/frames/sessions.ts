/**
 * The sessions that are open, their heartbeat, and their common end.
 *
 * Holds: one timer for all of them, and none while there are none; time in which this process itself stood still is
 * nobody's silence.
 */
import type { Clock, Timers } from '../../core/ports.ts';
import { CLOSE } from '../../protocol/frames.ts';
import type { Session } from './session.ts';

/** So long after its time a ping goes out, or a silent session ends, at most. */
const BEAT_MS = 2_500;

export class Sessions {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #open = new Set<Session>();
  /** Those whose peer may vanish without a word. */
  readonly #beating = new Set<Session>();
  #beaten = 0;
  #stop: (() => void) | undefined;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
  }

  get size(): number {
    return this.#open.size;
  }

  /** @param beats asks for signs of life: the peer may vanish without a word */
  add(session: Session, beats: boolean): void {
    this.#open.add(session);
    if (!beats) return;
    this.#beating.add(session);
    if (this.#stop !== undefined) return;
    this.#beaten = this.#clock.monotonic();
    this.#later();
  }

  delete(session: Session): void {
    this.#open.delete(session);
    this.#beating.delete(session);
    if (this.#beating.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Tells everyone to go elsewhere; resolves when what they have asked is answered. */
  async goaway(afterMs: number): Promise<void> {
    await Promise.all(Array.from(this.#open, (session) => session.goaway(afterMs)));
  }

  /** Ends all of them. */
  end(): void {
    for (const session of this.#open) session.end(CLOSE.restart, 'The broker is stopping.');
  }

  #later(): void {
    this.#stop = this.#timers.after(BEAT_MS, () => {
      const now = this.#clock.monotonic();
      const late = now - this.#beaten - 2 * BEAT_MS;
      this.#beaten = now;
      for (const session of this.#beating) {
        if (late > 0) session.excuse(late);
        session.beat(now);
      }
      if (this.#beating.size > 0) this.#later();
    });
  }
}
