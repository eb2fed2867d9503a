/**
 * Where does a JSON value end, and is it one? Decided on the bytes, so that what is stored stays what was sent.
 *
 * Holds: strict RFC 8259, nothing more lenient; no recursion and no allocation, whatever the nesting; a value nested
 * deeper than DEPTH_MAX counts as none. Strings may hold any bytes from 0x20 up: that the whole is UTF-8 is the
 * caller's to check, once, with `isUtf8`.
 */

/** Arrays and objects inside one another. What parsers of other languages take lies between 100 and 1,000. */
export const DEPTH_MAX = 512;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const COLON = 0x3a;
const OPEN_LIST = 0x5b;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
/** From what opens a container to what closes it: `[` and `]`, `{` and `}`. */
const TO_CLOSE = 2;

/** Is the span one JSON value, with nothing but white space round it? */
export function isJson(bytes: Uint8Array, start: number, end: number): boolean {
  const value = skipSpace(bytes, start, end);
  const after = skipValue(bytes, value, end);
  return after >= 0 && skipSpace(bytes, after, end) === end;
}

/** The first offset from `at` that is not white space; `end` where there is none. */
export function skipSpace(bytes: Uint8Array, at: number, end: number): number {
  let to = at;
  while (to < end) {
    const byte = bytes[to]!;
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    to++;
  }
  return to;
}

/** Which container is open at each depth. One for all calls: a scan is one synchronous run. */
const open = new Uint8Array(DEPTH_MAX + 1);

/**
 * The offset after the value that begins at `at`.
 *
 * @param room containers that may be open at once: DEPTH_MAX less those that the caller is inside of
 * @returns −1 where there is no value, or one nested too deep
 */
export function skipValue(bytes: Uint8Array, at: number, end: number, room = DEPTH_MAX): number {
  let depth = 0;
  let to = at;
  for (;;) {
    // A value is due here.
    const byte = to < end ? bytes[to]! : 0;
    if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      to = skipSpace(bytes, to + 1, end);
      if (to < end && bytes[to] === byte + TO_CLOSE) to++;
      else {
        if (depth === room) return -1;
        open[++depth] = byte;
        if (byte === OPEN_OBJECT) {
          to = skipName(bytes, to, end);
          if (to < 0) return -1;
        }
        continue;
      }
    } else {
      to = byte === QUOTE ? skipString(bytes, to, end) : skipWord(bytes, to, end, byte);
      if (to < 0) return -1;
    }
    // A value has ended here: what follows closes containers, or leads to the next value.
    for (;;) {
      if (depth === 0) return to;
      to = skipSpace(bytes, to, end);
      if (to >= end) return -1;
      const next = bytes[to]!;
      if (next === COMMA) {
        to = skipSpace(bytes, to + 1, end);
        if (open[depth] === OPEN_OBJECT) {
          to = skipName(bytes, to, end);
          if (to < 0) return -1;
        }
        break;
      }
      if (next !== open[depth]! + TO_CLOSE) return -1;
      depth--;
      to++;
    }
  }
}

/** Past `"name" :` and the space after it, to where the value begins; −1 where there is none. */
function skipName(bytes: Uint8Array, at: number, end: number): number {
  if (at >= end || bytes[at] !== QUOTE) return -1;
  const after = skipString(bytes, at, end);
  if (after < 0) return -1;
  const colon = skipSpace(bytes, after, end);
  return colon < end && bytes[colon] === COLON ? skipSpace(bytes, colon + 1, end) : -1;
}

/** @param at the opening quote; @returns the offset after the closing one, or −1 */
export function skipString(bytes: Uint8Array, at: number, end: number): number {
  let to = at + 1;
  while (to < end) {
    const byte = bytes[to]!;
    if (byte === QUOTE) return to + 1;
    if (byte < 0x20) return -1;
    if (byte !== BACKSLASH) to++;
    else {
      const size = escapeBytes(bytes, to, end);
      if (size === 0) return -1;
      to += size;
    }
  }
  return -1;
}

function escapeBytes(bytes: Uint8Array, at: number, end: number): number {
  switch (at + 1 < end ? bytes[at + 1] : 0) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return 2;
    case 0x75: // u
      if (at + 6 > end) return 0;
      for (let i = at + 2; i < at + 6; i++) if (!isHex(bytes[i]!)) return 0;
      return 6;
    default:
      return 0;
  }
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x61 && byte <= 0x66) || (byte >= 0x41 && byte <= 0x46);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** A number, `true`, `false` or `null`. */
function skipWord(bytes: Uint8Array, at: number, end: number, first: number): number {
  if (first === MINUS || isDigit(first)) return skipNumber(bytes, at, end);
  const word = first === 0x74 ? TRUE : first === 0x66 ? FALSE : first === 0x6e ? NULL : undefined;
  if (word === undefined || at + word.length > end) return -1;
  for (let i = 1; i < word.length; i++) if (bytes[at + i] !== word[i]) return -1;
  return at + word.length;
}

const TRUE = [0x74, 0x72, 0x75, 0x65];
const FALSE = [0x66, 0x61, 0x6c, 0x73, 0x65];
const NULL = [0x6e, 0x75, 0x6c, 0x6c];

function skipNumber(bytes: Uint8Array, at: number, end: number): number {
  let to = at;
  if (bytes[to] === MINUS) to++;
  const whole = to;
  to = skipDigits(bytes, to, end);
  // Digits there are, and no zero in front of others.
  if (to === whole || (to > whole + 1 && bytes[whole] === 0x30)) return -1;
  if (to < end && bytes[to] === DOT) {
    const part = to + 1;
    to = skipDigits(bytes, part, end);
    if (to === part) return -1;
  }
  if (to < end && (bytes[to] === 0x65 || bytes[to] === 0x45)) {
    let digits = to + 1;
    if (digits < end && (bytes[digits] === 0x2b || bytes[digits] === MINUS)) digits++;
    to = skipDigits(bytes, digits, end);
    if (to === digits) return -1;
  }
  return to;
}

function skipDigits(bytes: Uint8Array, at: number, end: number): number {
  let to = at;
  while (to < end && isDigit(bytes[to])) to++;
  return to;
}
