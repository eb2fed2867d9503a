/** Places in a station, as the API writes them. */
import type { Place } from '../core/calls.ts';

/** A sequence, `start`, `end`, or `{ time }` in milliseconds since 1970; also as the text that the API has for it (`time:MS`). */
export type Where = Place | string;

export function placeOf(place: Where): number | string {
  return typeof place === 'object' ? `time:${place.time}` : place;
}
