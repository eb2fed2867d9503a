/**
 * A value as JSON that says exactly the same: 64-bit whole numbers and −0 too, which `JSON.stringify` would change or refuse.
 *
 * Holds: what JSON has no word for (bytes, NaN, a function, a cycle) is refused, never left out or made null.
 */

/** Lists and objects inside one another. */
const DEPTH_MAX = 256;

/** @throws TypeError says what the value holds that JSON cannot say */
export function exactJson(value: unknown, depth = 0): string {
  switch (typeof value) {
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('half of a surrogate pair, which UTF-8 cannot carry');
      return JSON.stringify(value);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value}, which JSON has no word for`);
      return Object.is(value, -0) ? '-0' : String(value);
    default:
  }
  if (value === null) return 'null';
  if (depth === DEPTH_MAX) throw new TypeError(`more than ${DEPTH_MAX} lists and objects inside one another`);
  if (Array.isArray(value)) return `[${Array.from(value, (item) => exactJson(item, depth + 1)).join(',')}]`;
  if (isMap(value)) {
    const fields = Object.entries(value).map(([name, item]) => `${exactJson(name)}:${exactJson(item, depth + 1)}`);
    return `{${fields.join(',')}}`;
  }
  throw new TypeError('something that is no JSON value');
}

/** An object that is neither a list nor bytes. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
