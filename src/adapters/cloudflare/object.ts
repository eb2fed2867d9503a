/**
 * What both kinds of objects are: something that is opened once in an instance, over the object's SQLite, and woken by its alarm.
 *
 * Holds: a call waits for the opening; what cannot be opened is a refusal that says why, and is tried again by the next one.
 */
import { DurableObject } from 'cloudflare:workers';
import { asWaysideError } from '../../core/errors.ts';
import type { Journal } from '../../core/ports.ts';
import { RowVolume } from '../../core/rows/volume.ts';
import type { Answer } from '../../core/spread/wire.ts';
import { answered } from '../../core/spread/wire.ts';
import { systemRandom } from '../memory/random.ts';
import { systemClock, systemTimers } from '../memory/timers.ts';
import type { ObjectState, WaysideEnv } from './platform.ts';
import { SqliteRows } from './rows.ts';
import { ObjectTimers } from './timers.ts';

/** Until what was due is tried again. */
const ALARM_AGAIN_MS = 30_000;

export const journal: Journal = {
  info: (text) => console.log(`wayside: ${text}`),
  warn: (text) => console.warn(`wayside: ${text}`),
  error: (text) => console.error(`wayside: ${text}`),
};

/** The base of the two classes that a Worker exports. */
export abstract class WaysideObject<Opened> extends DurableObject<WaysideEnv> {
  readonly #timers: ObjectTimers;
  #opened: Promise<Opened> | undefined;

  /** By the runtime, once for each instance. */
  constructor(state: ObjectState, env: WaysideEnv) {
    super(state, env);
    this.#timers = new ObjectTimers(
      systemTimers(),
      (at) => state.storage.setAlarm(at),
      (error) => journal.error(`The alarm could not be set: ${String(error)}`),
    );
  }

  protected abstract open(): Promise<Opened>;

  protected get ports() {
    return { clock: systemClock, timers: this.#timers, random: systemRandom(), journal };
  }

  protected volume(): RowVolume {
    const { WAYSIDE_BYTES_MAX: said } = this.env;
    const bytesMax = said === undefined ? undefined : Number(said);
    const rows = new SqliteRows(this.ctx.storage, { bytesMax, abort: (reason) => this.ctx.abort(reason) });
    return new RowVolume({ rows, ...this.ports });
  }

  protected opened(): Promise<Opened> {
    this.#opened ??= this.open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  protected get isOpened(): boolean {
    return this.#opened !== undefined;
  }

  /** The next call opens it anew. */
  protected forget(): void {
    this.#opened = undefined;
  }

  protected answered(run: (opened: Opened) => unknown): Promise<Answer> {
    return answered(async () => run(await this.opened()), journal);
  }

  /** Does what is due. */
  async alarm(): Promise<void> {
    // Whoever throws here is called again a few times only: what cannot be opened now is tried by the next call.
    try {
      await this.opened();
      this.#timers.rang();
    } catch (error) {
      journal.error(`What was due could not be done: ${asWaysideError(error).message}`);
      await this.ctx.storage.setAlarm(Date.now() + ALARM_AGAIN_MS);
    }
  }
}
