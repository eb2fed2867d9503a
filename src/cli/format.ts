/**
 * Messages as text: for people, as JSON, raw, or by a template.
 *
 * Holds: JSON payloads come out as they were stored, digit for digit; raw gives the bytes and a line end; whatever goes to a
 * terminal cannot move its cursor.
 * Elsewhere: reading them (consume.ts, peek.ts).
 */
import type { StoredMessage } from '../client/index.ts';
import { Usage } from './command.ts';
import { nearest } from './suggest.ts';
import type { Paint } from './text.ts';
import { safe } from './text.ts';
import { shownBytes, shownTime } from './units.ts';

/** What may be said of a message: those of a group have a lease as well. */
export type Shown = StoredMessage<unknown> & { readonly deliveries?: number; readonly receipt?: string };
export type Format = (message: Shown) => string | Uint8Array;

export const FORMAT_HELP = 'pretty, json, raw (the payload and a line end), or a template.';
/** For `about` of the commands that print messages. */
export const FORMAT_ABOUT =
  'A template such as "{sequence} {key} {payload}" may name partition, sequence, time, producedAt, key, id, headers, ' +
  'header.NAME, contentType, size, deliveries, receipt, cursor, payload, payload.FIELD (of JSON) and json; it takes \\n and ' +
  '\\t, and \\0 at its end instead of the line end.';

/** @throws Usage the template names a field that there is none of */
export function makeFormat(asked: string, paint: Paint, isTerminal: boolean): Format {
  if (asked === 'pretty') return (message) => pretty(message, paint);
  if (asked === 'json') return (message) => `${messageJson(message)}\n`;
  if (asked === 'raw') return isTerminal ? (message) => `${safe(textOf(message.bytes) ?? payloadText(message), 'many')}\n` : raw;
  if (!asked.includes('{'))
    throw new Usage(`--format is ${JSON.stringify(asked)}; it takes pretty, json, raw, or a template with {fields}.`);
  return template(asked, isTerminal);
}

function pretty(message: Shown, paint: Paint): string {
  const { partition, sequence, producedAt, key, deliveries, headers } = message;
  const parts = [paint('dim', `${partition}/${sequence}  ${clockTime(producedAt, Date.now())}`)];
  if (key !== undefined) parts.push(paint('cyan', safe(key)));
  if (deliveries !== undefined && deliveries > 1) parts.push(paint('yellow', `delivery ${deliveries}`));
  const heads = Object.entries(headers).map(([name, value]) => `${safe(name)}=${safe(value)}`);
  if (heads.length > 0) parts.push(paint('dim', heads.join(' ')));
  parts.push(safe(payloadText(message)));
  return `${parts.join('  ')}\n`;
}

/** Without the date where it is today's. */
function clockTime(at: number, now: number): string {
  const full = shownTime(at);
  return full.slice(0, 10) === shownTime(now).slice(0, 10) ? full.slice(11) : full;
}

function raw({ bytes }: Shown): Uint8Array {
  const line = new Uint8Array(bytes.length + 1);
  line.set(bytes);
  line[bytes.length] = 10;
  return line;
}

/** The message as the API gives it: `payload` where it is JSON, else `text`, else `base64`. On one line. */
export function messageJson(message: Shown): string {
  const { partition, sequence, producedAt, key, id, headers, contentType, deliveries, receipt, bytes } = message;
  const head = JSON.stringify({ partition, sequence, receipt, deliveries, producedAt, key, id, headers, contentType });
  const text = textOf(bytes);
  const json = text !== undefined && isJsonType(contentType) ? jsonLine(text) : undefined;
  const payload =
    json !== undefined
      ? `"payload":${json}`
      : text !== undefined
        ? `"text":${JSON.stringify(text)}`
        : `"base64":"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"`;
  return `${head.slice(0, -1)},${payload}}`;
}

/** Valid JSON on one line, as it was written: parsing it would round its numbers. */
function jsonLine(text: string): string | undefined {
  try {
    JSON.parse(text);
  } catch {
    return undefined;
  }
  // Line breaks are white space there: in a string they would not be valid.
  return text.replaceAll(/[\r\n]+\s*/g, ' ').trim();
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function isJsonType(contentType: string | undefined): boolean {
  return contentType !== undefined && /^[^;]*[/+]json\s*(;|$)/i.test(contentType);
}

const PREVIEW_BYTES = 24;

/** The payload for people: as it is where it is text, else its first bytes. */
export function payloadText({ bytes, contentType }: Pick<Shown, 'bytes' | 'contentType'>): string {
  const text = textOf(bytes);
  if (text !== undefined) return isJsonType(contentType) ? (jsonLine(text) ?? text) : text;
  const hex = Buffer.from(bytes.subarray(0, PREVIEW_BYTES))
    .toString('hex')
    .replaceAll(/(..)(?=.)/g, '$1 ');
  return `<${shownBytes(bytes.length)}: ${hex}${bytes.length > PREVIEW_BYTES ? ' …' : ''}>`;
}

type Field = (message: Shown) => string | Uint8Array;

const FIELDS: Record<string, Field> = {
  partition: ({ partition }) => String(partition),
  sequence: ({ sequence }) => String(sequence),
  time: ({ producedAt }) => shownTime(producedAt),
  producedAt: ({ producedAt }) => String(producedAt),
  key: ({ key }) => key ?? '',
  id: ({ id }) => id ?? '',
  headers: ({ headers }) => JSON.stringify(headers),
  contentType: ({ contentType }) => contentType ?? '',
  size: ({ bytes }) => String(bytes.length),
  deliveries: ({ deliveries }) => (deliveries === undefined ? '' : String(deliveries)),
  receipt: ({ receipt }) => receipt ?? '',
  cursor: ({ cursor }) => cursor ?? '',
  payload: ({ bytes }) => bytes,
  json: messageJson,
};

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', '0': '\0', '\\': '\\' };

function template(text: string, isTerminal: boolean): Format {
  const parts: (string | Field)[] = [];
  for (const [piece] of text.matchAll(/\{\{|\}\}|\{[^{}]*\}|\\.|[^{}\\]+|[{}\\]/gs)) {
    if (piece === '{{' || piece === '}}') parts.push(piece.slice(1));
    else if (piece.startsWith('{') && piece.length > 1) parts.push(fieldOf(piece.slice(1, -1)));
    else if (piece.startsWith('\\') && piece.length > 1) parts.push(ESCAPES[piece.slice(1)] ?? piece);
    else parts.push(piece);
  }
  // With a zero at the end it is meant for xargs -0, which wants no line end beside it.
  if (parts.at(-1) !== '\0') parts.push('\n');
  return (message) => {
    const given = parts.map((part) => (typeof part === 'string' ? part : part(message)));
    if (isTerminal)
      return given
        .map((part, at) => (typeof parts[at] === 'string' ? part : safe(typeof part === 'string' ? part : payloadText(message))))
        .join('');
    if (given.every((part) => typeof part === 'string')) return given.join('');
    return Buffer.concat(given.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  };
}

function fieldOf(name: string): Field {
  const found = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (found) return found;
  const [, kind, rest = ''] = /^(header|payload)\.(.+)$/s.exec(name) ?? [];
  if (kind === 'header') return ({ headers }) => headers[rest.toLowerCase()] ?? '';
  if (kind === 'payload') return ({ bytes }) => memberText(bytes, rest.split('.'));
  const near = nearest(name, Object.keys(FIELDS));
  throw new Usage(`A message has no {${name}}.${near ? ` Did you mean {${near}}?` : ` There is ${Object.keys(FIELDS).join(', ')}.`}`);
}

/** A member of a JSON payload, as text; nothing where there is none. */
function memberText(bytes: Uint8Array, path: readonly string[]): string {
  let value: unknown;
  try {
    value = JSON.parse(textOf(bytes) ?? '');
  } catch {
    return '';
  }
  const found = memberOf(value, path);
  return found === undefined ? '' : typeof found === 'string' ? found : JSON.stringify(found);
}

/** What lies at a path such as `user.id` or `items.0.sku`; undefined where nothing does. */
export function memberOf(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}
