/** Places in a station, as the API writes them. */
/** A sequence, `start`, `end`, or `{ time }` in milliseconds since 1970; also as the text that the API has for it (`time:MS`, `last:N`). */
export type Where = number | 'start' | 'end' | { readonly time: number } | string;

export function placeOf(place: Where): number | string {
  return typeof place === 'object' ? `time:${place.time}` : place;
}
