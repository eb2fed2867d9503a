/**
 * The broker's time: the wall clock when it opened, carried on by the monotonic one, so that a clock that is set back or
 * ahead while the broker runs moves nothing.
 */
import type { Clock } from '../ports.ts';

export class Time {
  readonly #clock: Clock;
  readonly #wall: number;
  readonly #monotonic: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wall = clock.now();
    this.#monotonic = clock.monotonic();
  }

  /** How long the broker has been running, in ms. */
  get upMs(): number {
    return this.#clock.monotonic() - this.#monotonic;
  }

  /** By how much the wall clock has been set back since: what it said when the broker opened was wrong by that, most likely. */
  get wasAheadMs(): number {
    return this.now() - this.#clock.now();
  }

  /** Milliseconds since 1970, whole. */
  now(): number {
    return Math.floor(this.#wall + this.#clock.monotonic() - this.#monotonic);
  }
}
