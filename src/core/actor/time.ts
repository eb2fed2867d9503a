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

  /** Milliseconds since 1970, whole. */
  now(): number {
    return Math.floor(this.#wall + this.#clock.monotonic() - this.#monotonic);
  }
}
