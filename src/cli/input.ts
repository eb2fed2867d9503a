/**
 * Where messages to produce come from: words, files, standard input; by line, as NDJSON, as CSV, or whole.
 *
 * Holds: a file of any size is read in constant memory; what is wrong in it is named by file and line; bytes of lines and
 * JSON come out as they stand there.
 * Elsewhere: keys, ids and headers of them (produce.ts), CSV (csv.ts).
 */
import { createReadStream, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { Failed } from './command.ts';
import { CsvError, CsvReader } from './csv.ts';
import { memberOf } from './format.ts';
import { shownBytes } from './units.ts';

export interface Input {
  readonly payload: Uint8Array;
  readonly contentType: string | undefined;
  /** For what is said about it: `line 17 of orders.csv`. */
  readonly from: string;
  /** A member of a JSON payload or a CSV row, as text. */
  field(path: readonly string[]): string | undefined;
}

/** How a stream is cut into messages. */
export type Cut =
  | { readonly by: 'line' | 'ndjson' | 'whole' }
  | { readonly by: 'csv'; readonly separator: string; readonly typed: boolean };

/** Longer than any message may be; without an end to lines, a file would be read into memory. */
const LINE_BYTES_MAX = 64 * 1024 * 1024;

const encoder = new TextEncoder();

/** A word: JSON where it is an object or a list, else text. */
export function fromText(text: string, from: string): Input {
  return {
    payload: encoder.encode(text),
    contentType: looksLikeJson(text) ? 'application/json' : 'text/plain',
    from,
    field: jsonField(text),
  };
}

function looksLikeJson(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function jsonField(text: string | Uint8Array): Input['field'] {
  let value: unknown;
  let isParsed = false;
  return (path) => {
    if (!isParsed) {
      isParsed = true;
      try {
        value = JSON.parse(typeof text === 'string' ? text : decoder.decode(text));
      } catch {
        value = undefined;
      }
    }
    return textOf(memberOf(value, path));
  };
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

const decoder = new TextDecoder();

export interface Source {
  /** `-` is standard input. */
  readonly file: string;
  /** Undefined for a pipe. */
  readonly bytes: number | undefined;
}

/** @throws Failed there is no such file */
export function sourceOf(file: string): Source {
  if (file === '-') return { file, bytes: undefined };
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new Failed(`There is no file ${file}.`);
  if (stat.isDirectory()) throw new Failed(`${file} is a folder.`);
  return { file, bytes: stat.isFile() ? stat.size : undefined };
}

/**
 * The messages of a file, some at a time.
 *
 * @param told how many bytes were read on
 * @param signal stops reading: what was read is given still
 */
export async function* readSource({ file }: Source, cut: Cut, told: (bytes: number) => void, signal: AbortSignal): AsyncGenerator<Input[]> {
  const name = file === '-' ? 'standard input' : file;
  if (cut.by === 'whole') {
    const payload = file === '-' ? await readStdin(signal) : await readFile(file);
    told(payload.length);
    yield [{ payload, contentType: TYPES[extname(file).toLowerCase()], from: name, field: jsonField(payload) }];
    return;
  }
  const chunks = readChunks(file, told, signal);
  if (cut.by === 'csv') yield* csvInputs(chunks, cut.separator, cut.typed, name);
  else yield* lineInputs(chunks, cut.by === 'ndjson', name);
}

const TYPES: Record<string, string> = {
  '.json': 'application/json',
  '.txt': 'text/plain',
  '.xml': 'application/xml',
  '.html': 'text/html',
};

async function readStdin(signal: AbortSignal): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readChunks('-', () => {}, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* readChunks(file: string, told: (bytes: number) => void, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stream = file === '-' ? process.stdin : createReadStream(file, { highWaterMark: 64 * 1024 });
  const stop = () => stream.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (signal.aborted) return;
      told(chunk.length);
      yield chunk;
    }
  } catch (error) {
    // A stream that is destroyed says that it ended too early.
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function* lineInputs(chunks: AsyncIterable<Uint8Array>, isNdjson: boolean, name: string): AsyncGenerator<Input[]> {
  let number = 0;
  const inputOf = (line: Uint8Array): Input | undefined => {
    number++;
    const payload = line.at(-1) === 13 ? line.subarray(0, -1) : line;
    if (payload.length === 0) return undefined;
    const from = `line ${number} of ${name}`;
    if (!isNdjson) {
      const isJson = (payload[0] === 0x7b || payload[0] === 0x5b) && looksLikeJson(decoder.decode(payload));
      return { payload, contentType: isJson ? 'application/json' : 'text/plain', from, field: jsonField(payload) };
    }
    let value: unknown;
    try {
      value = JSON.parse(decoder.decode(payload));
    } catch (error) {
      if (payload.every((byte) => byte === 32 || byte === 9)) return undefined;
      throw new Failed(`${sentence(from)} is no JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
    return { payload, contentType: 'application/json', from, field: (path) => textOf(memberOf(value, path)) };
  };
  for await (const lines of linesOf(chunks, name)) yield* upToFailure(lines, inputOf);
}

/** What stands before something wrong comes first, wherever a chunk of the file happens to end. */
function* upToFailure<T>(items: Iterable<T>, inputOf: (item: T) => Input | undefined): Generator<Input[]> {
  const inputs: Input[] = [];
  let failure: unknown;
  try {
    for (const item of items) {
      const input = inputOf(item);
      if (input) inputs.push(input);
    }
  } catch (error) {
    failure = error;
  }
  if (inputs.length > 0) yield inputs;
  if (failure !== undefined) throw failure;
}

/** The lines that each chunk ends, and at the end what is left. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array[]> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    const lines: Uint8Array[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      const line = chunk.subarray(from, end);
      lines.push(rest.length === 0 ? line : Buffer.concat([...rest, line]));
      rest = [];
      restBytes = 0;
      from = end + 1;
    }
    if (from < chunk.length) {
      rest.push(chunk.subarray(from));
      restBytes += chunk.length - from;
      if (restBytes > LINE_BYTES_MAX)
        throw new Failed(`${name} has a line of more than ${shownBytes(LINE_BYTES_MAX)}. Is it meant as one message? Then say --whole.`);
    }
    if (lines.length > 0) yield lines;
  }
  if (restBytes > 0) yield [Buffer.concat(rest)];
}

async function* csvInputs(chunks: AsyncIterable<Uint8Array>, separator: string, typed: boolean, name: string): AsyncGenerator<Input[]> {
  const reader = new CsvReader(separator);
  const text = new TextDecoder();
  let header: readonly string[] | undefined;
  const inputOf = ({ fields, line }: { fields: string[]; line: number }): Input | undefined => {
    const from = `line ${line} of ${name}`;
    if (header === undefined) {
      header = checkedHeader(fields, from);
      return undefined;
    }
    if (fields.length !== header.length)
      throw new Failed(`${sentence(from)} has ${fields.length} fields, and the header has ${header.length}.`);
    const row: Record<string, unknown> = Object.create(null);
    for (const [at, column] of header.entries()) row[column] = typed ? typedValue(fields[at] ?? '') : fields[at];
    const payload = encoder.encode(JSON.stringify(row));
    return {
      payload,
      contentType: 'application/json',
      from,
      field: ([column = '', ...more]) => (more.length > 0 ? undefined : textOf(row[column])),
    };
  };
  try {
    for await (const chunk of chunks) yield* upToFailure(reader.read(text.decode(chunk, { stream: true })), inputOf);
    yield* upToFailure(reader.read(text.decode()), inputOf);
    const last = reader.end();
    if (last) yield* upToFailure([last], inputOf);
  } catch (error) {
    if (error instanceof CsvError) throw new Failed(`Line ${error.line} of ${name} is no CSV: ${error.message}.`);
    throw error;
  }
}

function checkedHeader(fields: readonly string[], from: string): readonly string[] {
  const twice = fields.find((field, at) => fields.indexOf(field) !== at);
  if (fields.includes('')) throw new Failed(`${sentence(from)}, the header, has a column without a name.`);
  if (twice !== undefined) throw new Failed(`${sentence(from)}, the header, names the column ${JSON.stringify(twice)} twice.`);
  return fields;
}

/** What the text means in JSON, where nothing is lost: `007` stays a text. */
function typedValue(text: string): unknown {
  if (text === '') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d/.test(text) && String(Number(text)) === text ? Number(text) : text;
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
