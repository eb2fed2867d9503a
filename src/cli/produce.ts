/**
 * `wayside produce`: messages from words, files or a pipe into a station.
 *
 * Holds: memory does not grow with what is sent: reading waits when the broker falls behind; what is said to be stored is as
 * durable as the broker has answered; Ctrl-C sends nothing more, waits for what is under way, and says how much is stored.
 * Elsewhere: reading (input.ts), batching and retrying (the SDK).
 */
import { randomUUID } from 'node:crypto';
import type { MessageOptions, Produced, Producer, Station, WaysideError } from '../client/index.ts';
import type { Context, Options, Values } from './command.ts';
import { defineCommand, Failed, Usage } from './command.ts';
import type { Cut, Input, Source } from './input.ts';
import { fromText, readSource, sourceOf } from './input.ts';
import type { Output } from './output.ts';
import { progressLine, rate } from './progress.ts';
import { counted, shownBytes, shownDuration, shownNumber, shownTime } from './units.ts';

const OPTIONS = {
  file: { type: 'text', short: 'f', many: true, value: 'FILE', help: 'Read messages from a file; - is standard input.', complete: 'file' },
  ndjson: { type: 'flag', help: 'Each line is JSON, and must be.' },
  csv: { type: 'flag', help: 'Each row becomes a JSON object with the names of the header row.' },
  separator: { type: 'text', value: 'CHARACTER', default: ',', help: 'Between the fields of CSV; \\t for a tab.' },
  typed: { type: 'flag', help: 'Numbers, true, false and empty fields of CSV become JSON numbers, booleans and null.' },
  whole: { type: 'flag', help: 'A file is one message, not one a line.' },
  key: { type: 'text', short: 'k', value: 'KEY', help: 'Messages with one key stay in order, in one partition.' },
  keyField: { type: 'text', value: 'FIELD', help: 'The key is this member of each JSON message, such as user.id.' },
  id: { type: 'text', value: 'ID', help: 'A message with an id that was seen lately is not stored again.' },
  idField: { type: 'text', value: 'FIELD', help: 'The id is this member of each JSON message: sending a file twice stores it once.' },
  header: { type: 'text', short: 'H', many: true, value: 'NAME=VALUE', help: 'A header of each message.' },
  contentType: { type: 'text', value: 'TYPE', without: 'application/json or text/plain, as it looks', help: 'What the payload is.' },
  delay: { type: 'duration', min: 1, max: 31_536_000_000, help: 'They come after so long; `wayside schedules` shows and cancels them.' },
  expires: { type: 'duration', min: 1, max: 31_536_000_000, help: 'After so long they are given to no group any more.' },
  partition: { type: 'count', help: 'All into this one.', without: 'by key, else by id, else in turn' },
  repeat: {
    type: 'count',
    min: 1,
    help: 'Send the words so often; {{i}}, {{now}} and {{uuid}} in them, the key and the id are filled in.',
  },
  rate: { type: 'count', min: 1, value: 'N', help: 'So many messages a second at most.', without: 'as fast as it goes' },
  create: { type: 'flag', help: 'Make the station if it is not there.' },
  keepGoing: { type: 'flag', help: 'Go on behind a message that is refused; the exit code is 1 all the same.' },
} as const satisfies Options;

type Given = Values<typeof OPTIONS>;

export const command = defineCommand({
  name: 'produce',
  summary: 'Send messages to a station, from words, files or a pipe.',
  about:
    'Each TEXT is a message; without one, each line of --file or standard input is. A text that is a JSON object or list is ' +
    'sent as application/json, any other as text/plain; empty lines are left out. What is said to be stored is as durable ' +
    'as the station asks for.',
  words: [
    { name: 'STATION', help: 'The name of the station.', complete: 'station' },
    { name: 'TEXT', help: 'A message.', optional: true, many: true },
  ],
  options: OPTIONS,
  examples: [
    { line: 'wayside produce orders \'{"total":12}\' --create', says: 'One message; the station is made if it is not there.' },
    { line: "wayside produce orders 'order {{i}}' --key 'customer {{i}}' --repeat 10k", says: 'Ten thousand to try things with.' },
    { line: 'wayside produce orders --file orders.csv --csv --id-field order_id', says: 'A row a message; sent twice, it is stored once.' },
    { line: 'tail -f app.log | wayside produce logs', says: 'A line a message, as they come.' },
  ],
  ends: true,
  async run(context) {
    const { options, words, connect } = context;
    const [name = '', ...texts] = words;
    const source = sourceFrom(options, texts);
    const message = messageOptions(options);
    const station = connect().station<Uint8Array>(name);
    if (options.create) await createUnlessThere(station);
    // Said before anything is read: a file of a million lines would be refused a million times.
    await station.info();
    await new Run(context, station, message).send(source);
  },
});

interface From {
  batches(told: (bytes: number) => void, signal: AbortSignal): AsyncIterable<readonly Input[]>;
  /** Of all files, where they have a size. */
  readonly bytes: number | undefined;
  readonly messages: number | undefined;
}

function sourceFrom(options: Given, texts: readonly string[]): From {
  const { file, ndjson, csv, whole, repeat, typed, separator } = options;
  if ([ndjson, csv, whole].filter(Boolean).length > 1)
    throw new Usage('--ndjson, --csv and --whole are three ways to read a file: choose one.');
  if (typed && !csv) throw new Usage('--typed is for --csv.');
  if (texts.length > 0) {
    if (file.length > 0) throw new Usage('Messages come from words or from --file, not from both.');
    if (ndjson || csv || whole) throw new Usage('--ndjson, --csv and --whole are for --file and standard input, not for words.');
    return { batches: () => fromWords(texts, repeat), bytes: undefined, messages: texts.length * (repeat ?? 1) };
  }
  if (repeat !== undefined) throw new Usage('--repeat needs words to repeat.');
  const cut: Cut = csv ? { by: 'csv', separator: readSeparator(separator), typed } : { by: ndjson ? 'ndjson' : whole ? 'whole' : 'line' };
  const sources = (file.length === 0 ? ['-'] : file).map(sourceOf);
  const sizes = sources.map(({ bytes }) => bytes);
  return {
    batches: (told, signal) => fromSources(sources, cut, told, signal),
    bytes: sizes.every((size) => size !== undefined) ? sizes.reduce((sum, size) => sum + size, 0) : undefined,
    messages: undefined,
  };
}

function readSeparator(text: string): string {
  const separator = text === '\\t' ? '\t' : text;
  if (separator.length !== 1 || /["\r\n]/.test(separator))
    throw new Usage(`--separator is ${JSON.stringify(text)}; it takes one character, or \\t.`);
  return separator;
}

const WORDS_A_STEP = 1000;

async function* fromWords(texts: readonly string[], repeat: number | undefined): AsyncGenerator<readonly Input[]> {
  let inputs: Input[] = [];
  for (let i = 1; i <= (repeat ?? 1); i++) {
    for (const text of texts) inputs.push(fromText(repeat === undefined ? text : filledIn(text, i), `message ${i}`));
    if (inputs.length < WORDS_A_STEP) continue;
    yield inputs;
    inputs = [];
  }
  if (inputs.length > 0) yield inputs;
}

function filledIn(text: string, i: number): string {
  if (!text.includes('{{')) return text;
  return text.replaceAll(/\{\{(i|now|uuid)\}\}/g, (_, name) =>
    name === 'i' ? String(i) : name === 'now' ? String(Date.now()) : randomUUID(),
  );
}

async function* fromSources(
  sources: readonly Source[],
  cut: Cut,
  told: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<Input[]> {
  for (const source of sources) {
    if (source.file === '-' && process.stdin.isTTY) process.stderr.write('A message a line; Ctrl-D ends.\n');
    yield* readSource(source, cut, told, signal);
  }
}

/** What is the same for every message. */
function messageOptions({ header, contentType, partition, key, keyField, id, idField, delay, expires }: Given): MessageOptions {
  if (key !== undefined && keyField !== undefined) throw new Usage('--key and --key-field both say the key: choose one.');
  if (id !== undefined && idField !== undefined) throw new Usage('--id and --id-field both say the id: choose one.');
  const headers: Record<string, string> = {};
  for (const text of header) {
    const [, name, value = ''] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined) throw new Usage(`--header is ${JSON.stringify(text)}; it takes NAME=VALUE.`);
    headers[name.toLowerCase()] = value;
  }
  return {
    ...(Object.keys(headers).length > 0 && { headers }),
    ...(contentType !== undefined && { contentType }),
    ...(partition !== undefined && { partition }),
    ...(delay !== undefined && { delayMs: delay }),
    ...(expires !== undefined && { expiresMs: expires }),
  };
}

async function createUnlessThere(station: Station<Uint8Array>): Promise<void> {
  try {
    await station.create();
  } catch (error) {
    // With other settings than the defaults: it is there.
    if ((error as Partial<WaysideError>).code !== 'STATION_EXISTS') throw error;
  }
}

/** What is on its way at once. */
const WAITING_MESSAGES_MAX = 4_000;
const WAITING_BYTES_MAX = 8 * 1024 * 1024;
/** So many refusals are said each; a file in the wrong form would fill the screen. */
const SAID_MAX = 10;

interface Stored {
  count: number;
  first: number;
  last: number;
}

/** One `produce`, from the first message to the summary. */
class Run {
  readonly #context: Context<typeof OPTIONS>;
  readonly #producer: Producer<Uint8Array>;
  readonly #name: string;
  readonly #message: MessageOptions;
  readonly #keyPath: readonly string[] | undefined;
  readonly #idPath: readonly string[] | undefined;
  readonly #begun = performance.now();
  readonly #stored = new Map<number, Stored>();
  #delayed = 0;
  /** The last one that is delayed. */
  #schedule = '';
  #sent = 0;
  #messages = 0;
  #duplicates = 0;
  #bytes = 0;
  #durability = '';
  #waiting = 0;
  #waitingBytes = 0;
  #wake: (() => void) | undefined;
  #refused = 0;
  #firstRefusal: string | undefined;
  #bytesRead = 0;

  constructor(context: Context<typeof OPTIONS>, station: Station<Uint8Array>, message: MessageOptions) {
    const { keyField, idField } = context.options;
    this.#context = context;
    this.#producer = station.producer();
    this.#name = station.name;
    this.#message = message;
    this.#keyPath = keyField?.split('.');
    this.#idPath = idField?.split('.');
  }

  async send(from: From): Promise<void> {
    const { out } = this.#context;
    const progress = out.progress(() => this.#progress(from));
    let failure: unknown;
    try {
      await this.#sendAll(from);
    } catch (error) {
      failure = error;
    }
    try {
      await this.#settled();
      await this.#producer.close();
    } finally {
      progress.stop();
    }
    this.#summarize(out);
    if (failure !== undefined) throw failure;
    if (this.#refused > 0) throw new Failed(this.#refusals());
  }

  async #sendAll(from: From): Promise<void> {
    const { signal, options } = this.#context;
    const told = (bytes: number) => {
      this.#bytesRead += bytes;
    };
    for await (const inputs of from.batches(told, signal)) {
      for (const input of inputs) {
        if (signal.aborted || this.#isStopped) return;
        if (options.rate !== undefined) await this.#pace(options.rate);
        while (this.#waiting >= WAITING_MESSAGES_MAX || this.#waitingBytes >= WAITING_BYTES_MAX) await this.#room();
        this.#sendOne(input);
      }
      if (signal.aborted) return;
    }
  }

  get #isStopped(): boolean {
    return this.#refused > 0 && !this.#context.options.keepGoing;
  }

  #sendOne(input: Input): void {
    const { payload, contentType } = input;
    const size = payload.length;
    this.#sent++;
    this.#waiting++;
    this.#waitingBytes += size;
    this.#producer.produce(payload, { ...(contentType && { contentType }), ...this.#message, ...this.#names(input) }).then(
      (produced) => {
        this.#settle(size);
        this.#note(produced, size);
      },
      (error: unknown) => {
        this.#settle(size);
        this.#refuse(error, input.from);
      },
    );
  }

  #names(input: Input): { key?: string; id?: string } {
    const { key, id, repeat } = this.#context.options;
    const fill = (text: string) => (repeat === undefined ? text : filledIn(text, this.#sent));
    return {
      ...(key !== undefined && { key: fill(key) }),
      ...(id !== undefined && { id: fill(id) }),
      ...(this.#keyPath && { key: fieldOf(input, this.#keyPath) }),
      ...(this.#idPath && { id: fieldOf(input, this.#idPath) }),
    };
  }

  #settle(size: number): void {
    this.#waiting--;
    this.#waitingBytes -= size;
    if (this.#wake === undefined) return;
    if (this.#waiting > WAITING_MESSAGES_MAX / 2 || this.#waitingBytes > WAITING_BYTES_MAX / 2) return;
    const wake = this.#wake;
    this.#wake = undefined;
    wake();
  }

  /** Resolves when half of what was on its way has arrived. */
  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async #settled(): Promise<void> {
    if (this.#waiting > 0) await this.#producer.flush().catch(() => {});
    // Refusals have reached their own messages by now.
    while (this.#waiting > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  #note({ partition, sequence, duplicate, durability, scheduleId, dueAt }: Produced, size: number): void {
    this.#messages++;
    this.#bytes += size;
    this.#durability = durability;
    if (duplicate) this.#duplicates++;
    if (scheduleId !== undefined) {
      this.#delayed++;
      this.#schedule = `${scheduleId}, due at ${shownTime(dueAt ?? 0)}`;
      return;
    }
    const stored = this.#stored.get(partition);
    if (stored === undefined) this.#stored.set(partition, { count: 1, first: sequence, last: sequence });
    else {
      stored.count++;
      stored.first = Math.min(stored.first, sequence);
      stored.last = Math.max(stored.last, sequence);
    }
  }

  #refuse(error: unknown, from: string): void {
    const { message, code } = error as WaysideError;
    this.#refused++;
    const text = `${from}: ${message}${code === undefined ? '' : ` (${code})`}`;
    this.#firstRefusal ??= text;
    if (this.#context.options.keepGoing && this.#refused <= SAID_MAX) this.#context.out.warn(text);
  }

  async #pace(perSecond: number): Promise<void> {
    const ahead = (this.#sent * 1000) / perSecond - (performance.now() - this.#begun);
    if (ahead < 2) return;
    const { signal } = this.#context;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ahead);
      signal.addEventListener('abort', end);
    });
  }

  #progress({ bytes, messages }: From): string {
    const done = this.#messages;
    const share = messages !== undefined ? done / messages : bytes ? this.#bytesRead / bytes : undefined;
    return progressLine({ done, unit: 'messages', bytes: this.#bytes, share, ms: performance.now() - this.#begun });
  }

  #summarize(out: Output): void {
    const ms = performance.now() - this.#begun;
    const { signal } = this.#context;
    if (out.json) {
      const partitions = [...this.#stored].sort(([one], [other]) => one - other).map(([partition, stored]) => ({ partition, ...stored }));
      out.value({
        station: this.#name,
        messages: this.#messages,
        duplicates: this.#duplicates,
        ...(this.#delayed > 0 && { delayed: this.#delayed }),
        refused: this.#refused,
        bytes: this.#bytes,
        durability: this.#durability || undefined,
        ms: Math.round(ms),
        partitions,
        ...(signal.aborted && { interrupted: true }),
      });
      return;
    }
    if (out.quiet) return;
    if (signal.aborted) out.note('Interrupted.');
    if (this.#delayed > 0) {
      const which = this.#delayed === 1 ? this.#schedule : `the last one ${this.#schedule}`;
      out.line(`Delayed ${counted(this.#delayed, 'message')} in ${this.#name}: ${which} ${out.paint('dim', `(${this.#durability})`)}`);
    }
    if (this.#messages === this.#delayed && this.#messages > 0) return;
    if (this.#sent === 1 && this.#messages === 1) {
      const [[partition, { first }] = [0, { first: 0 }]] = this.#stored;
      const what = this.#duplicates > 0 && this.#hasIds ? 'It was there already' : `Stored in ${this.#name}`;
      out.line(`${what}: partition ${partition}, sequence ${shownNumber(first)} ${out.paint('dim', `(${this.#durability})`)}`);
    } else if (this.#messages > 0) {
      const speed = ms >= 500 ? `, ${shownNumber(rate(this.#messages, ms))}/s` : '';
      const how = `in ${shownDuration(ms)}${speed}`;
      out.line(
        `Stored ${counted(this.#messages - this.#delayed, 'message')} (${shownBytes(this.#bytes)}) in ${this.#name} ${out.paint('dim', `${how} (${this.#durability})`)}`,
      );
      // Without ids they are what a lost connection has made this send twice: no news for anybody.
      if (this.#duplicates > 0 && this.#hasIds) out.line(`${shownNumber(this.#duplicates)} of them were there already.`);
    } else if (this.#sent === 0) out.note('There was nothing to send.');
  }

  get #hasIds(): boolean {
    return this.#idPath !== undefined || this.#context.options.id !== undefined;
  }

  #refusals(): string {
    if (this.#refused === 1 && this.#sent === 1) return (this.#firstRefusal ?? '').replace(/^[^:]*: /, '');
    if (this.#context.options.keepGoing) return `${counted(this.#refused, 'message')} of ${shownNumber(this.#sent)} were not stored.`;
    return `Stopped at ${this.#firstRefusal} What was sent before it is stored; --keep-going goes on behind such a message.`;
  }
}

function fieldOf(input: Input, path: readonly string[]): string {
  const value = input.field(path);
  if (value !== undefined) return value;
  throw new Failed(`There is no text or number ${path.join('.')} in ${input.from}.`);
}
