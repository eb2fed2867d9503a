/**
 * What every volume refuses of a commit before it takes any of it: the mistakes of a program, as TypeErrors.
 *
 * Holds: nothing is changed here; a commit that passes can be applied without a further question.
 * Elsewhere: what the writes mean (ports.ts).
 */
import type { ActorKey, Write } from '../ports.ts';

const SECTION_NAME = /^[a-z0-9:.-]{1,64}$/;
const ACTOR_KEY = /^(0|[1-9][0-9]{0,9})\.(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,4})$/;
const U32_MAX = 2 ** 32 - 1;
const U48_MAX = 2 ** 48 - 1;

/**
 * @param lastOf index of an actor's last entry, undefined where there is no such actor
 * @throws TypeError names the write and what is wrong with it
 */
export function checkWrites(writes: readonly Write[], lastOf: (actor: ActorKey) => number | undefined): void {
  // Only a commit of several writes can hold two of the same actor.
  const next = writes.length > 1 ? new Map<ActorKey, number>() : undefined;
  for (let nth = 0; nth < writes.length; nth++) {
    const write = writes[nth]!;
    const last = lastOf(write.actor);
    if (last === undefined && !isKey(write.actor)) throw new TypeError(`Write ${nth}: "${write.actor}" is no actor key.`);
    switch (write.do) {
      case 'append': {
        const expected = next?.get(write.actor) ?? (last ?? 0) + 1;
        if (write.index !== expected)
          throw new TypeError(`Write ${nth}: actor ${write.actor} appends index ${write.index}; ${expected} is next.`);
        next?.set(write.actor, expected + 1);
        inRange(nth, 'kind', write.kind, 255, 1);
        inRange(nth, 'version', write.version, 255);
        inRange(nth, 'first', write.first, Number.MAX_SAFE_INTEGER);
        inRange(nth, 'count', write.count, U32_MAX);
        inRange(nth, 'time', write.time, Number.MAX_SAFE_INTEGER);
        break;
      }
      case 'section':
        if (!SECTION_NAME.test(write.name))
          throw new TypeError(`Write ${nth}: "${write.name}" is no section name (1–64 of a-z 0-9 : . -).`);
        inRange(nth, 'asOf', write.asOf, Number.MAX_SAFE_INTEGER);
        break;
      case 'trim':
        inRange(nth, 'data', write.data, Number.MAX_SAFE_INTEGER);
        inRange(nth, 'state', write.state, Number.MAX_SAFE_INTEGER);
        if (next !== undefined && Math.min(write.data, write.state) > (next.get(write.actor) ?? (last ?? 0) + 1))
          next.set(write.actor, Math.min(write.data, write.state));
        break;
      case 'due':
        if (write.at !== null) inRange(nth, 'at', write.at, Number.MAX_SAFE_INTEGER);
        break;
      case 'remove':
        next?.set(write.actor, 1);
        break;
    }
  }
}

function isKey(key: string): boolean {
  if (!ACTOR_KEY.test(key)) return false;
  const [namespace, station, partition] = key.split('.').map(Number);
  return namespace! <= U32_MAX && station! <= U48_MAX && partition! <= 65_535;
}

function inRange(nth: number, name: string, value: number, max: number, min = 0): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new TypeError(`Write ${nth}: ${name} is ${value}; it must be a whole number from ${min} to ${max}.`);
}
