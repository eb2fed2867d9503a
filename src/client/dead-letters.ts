/**
 * Dead letters of a station: messages that a group has given up.
 */
import type { DeadReason, RedriveResult } from '../core/calls.ts';
import { fieldsOf, misshapen } from './answers.ts';
import type { StoredMessage } from './consume/message.ts';
import type { Context } from './context.ts';
import { asWaysideError } from './errors.ts';
import { jsonMessages, storedOf } from './json.ts';
import type { StandardSchemaV1 } from './schema.ts';

/** A message that one group could not handle. It stays until it is sent again or removed. */
export interface DeadLetter<T = unknown> {
  /** Its own id, not that of the message. */
  readonly id: string;
  /**
   * `rejected`; `max-deliveries`: its last delivery was handed back or ran out; `expired`: before the group had settled it;
   * `undeliverable`: a step made it, and its station would not take it.
   * Later versions add others.
   */
  readonly reason: string;
  /** The text given with the reject or the last nack, else why it died. */
  readonly error: string;
  /** The group that gave it up. */
  readonly group: string;
  /** Who had it last. */
  readonly consumer: string;
  /** How often it was given out. */
  readonly deliveries: number;
  /** How often it had been sent to the group again before. */
  readonly redrives: number;
  /** When it died: milliseconds since 1970. */
  readonly diedAt: number;
  /** Its last deliveries, oldest first. */
  readonly history: readonly { readonly at: number; readonly event: string; readonly consumer?: string; readonly deliveries: number }[];
  /** The message, as it was produced. */
  readonly message: StoredMessage<T>;
}

/** Which dead letters are listed. */
export interface DeadLetterFilter {
  /** Only those of this group. */
  readonly group?: string | undefined;
  /** Only those that died so. */
  readonly reason?: DeadReason | undefined;
  /** Only those with this key. */
  readonly key?: string | undefined;
  /** Only those that died at this time or later: milliseconds since 1970. */
  readonly from?: number | undefined;
  /** Only those that died before this time: milliseconds since 1970. */
  readonly until?: number | undefined;
}

/** How fast dead letters are sent again, and how often. */
export interface RedriveBounds {
  /** At most so many a second, 1 to 1_000_000. The call answers after 30 s at the latest; what is `left` is for another one. */
  readonly ratePerSecond?: number | undefined;
  /** Those that were sent to their group so often already stay: `kept` counts them. */
  readonly maxRedrives?: number | undefined;
}

/** Which dead letters are sent again. */
export type DeadLetterChoice = RedriveBounds &
  ({ readonly ids: readonly string[] } | { readonly all: true } | { readonly match: DeadLetterFilter });

/** Where a dead letter goes: to the group that failed, to all groups as a new message, or to another station. */
export type RedriveTarget = 'group' | 'groups' | { readonly station: string };

/** The dead letters of one station. */
export interface DeadLetters<T = unknown> {
  /** All of them, or those that fit all that is given, oldest first. */
  list(filter?: DeadLetterFilter): AsyncIterable<DeadLetter<T>>;
  /** One of them. @throws DEAD_LETTER_NOT_FOUND */
  get(id: string): Promise<DeadLetter<T>>;
  /**
   * Sends them again; those that are gone already are passed over, so asking twice does nothing twice.
   *
   * @param to the group that failed (`group`) unless given
   * @throws STATION_NOT_FOUND also where `to` names a station that is not there: nothing was sent
   */
  redrive(which: DeadLetterChoice, to?: RedriveTarget): Promise<RedriveResult>;
  /** Removes one for good. @throws DEAD_LETTER_NOT_FOUND */
  remove(id: string): Promise<void>;
}

export class StationDeadLetters<T> implements DeadLetters<T> {
  readonly #context: Context;
  readonly #path: string;
  readonly #schema: StandardSchemaV1<unknown, T> | undefined;

  constructor(context: Context, station: string, schema: StandardSchemaV1<unknown, T> | undefined) {
    this.#context = context;
    this.#path = context.path('stations', station, 'dead-letters');
    this.#schema = schema;
  }

  async *list(filter?: DeadLetterFilter): AsyncGenerator<DeadLetter<T>, void, undefined> {
    for await (const letter of this.#context.list(this.#path, { ...filter, as: 'base64' })) yield await this.#letter(letter);
  }

  async get(id: string): Promise<DeadLetter<T>> {
    const { body } = await this.#context.call({ method: 'GET', path: `${this.#one(id)}?as=base64` });
    return this.#letter(body);
  }

  redrive(which: DeadLetterChoice, to: RedriveTarget = 'group'): Promise<RedriveResult> {
    return this.#context.ask({ method: 'POST', path: `${this.#path}/redrive`, body: { ...which, to } });
  }

  async remove(id: string): Promise<void> {
    await this.#context.call({ method: 'DELETE', path: this.#one(id) });
  }

  #one(id: string): string {
    return this.#path + this.#context.path(id);
  }

  async #letter(letter: unknown): Promise<DeadLetter<T>> {
    const fields = fieldsOf(letter);
    try {
      const [message] = await storedOf(jsonMessages([fields.message]), this.#schema);
      return { ...(fields as unknown as DeadLetter<T>), message: message! };
    } catch (error) {
      throw error instanceof TypeError ? misshapen('a dead letter') : asWaysideError(error);
    }
  }
}
