/**
 * Where a command says something: results on standard output, everything else on standard error.
 *
 * Holds: standard output has nothing but results (with --json, JSON alone); colours and progress only where there is a
 * terminal; what `flush` has resolved for was handed to the system, so that a message may be acked then; nobody reading any
 * more (`| head`) is no error but an end (`BrokenPipe`).
 * Elsewhere: tables (table.ts), colours and what is safe to show (text.ts), what a progress line says (progress.ts).
 */
import { createInterface } from 'node:readline/promises';
import type { Cell, Column } from './table.ts';
import { factLines, tableLines } from './table.ts';
import type { Paint } from './text.ts';
import { coloured, fitted, plain } from './text.ts';

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  /** False for --no-color and NO_COLOR. */
  readonly colour: boolean;
  /** Nobody reads standard output any more. */
  broken(): void;
}

/** Nobody reads standard output any more. */
export class BrokenPipe extends Error {}

const GATHER_BYTES = 64 * 1024;
const PROGRESS_EVERY_MS = 120;
/** What is over sooner needs no progress. */
const PROGRESS_AFTER_MS = 400;

export class Output {
  json: boolean;
  quiet: boolean;
  readonly isTerminal: boolean;
  /** Colours of standard output. */
  readonly paint: Paint;
  /** Colours of standard error. */
  readonly paintNote: Paint;
  #gathered: (string | Uint8Array)[] = [];
  #gatheredBytes = 0;
  #isDue = false;
  #written: Promise<void> = Promise.resolve();
  #broken: Error | undefined;
  #line: (() => string) | undefined;
  #isLineShown = false;

  constructor({ json, quiet, colour, broken }: OutputOptions) {
    const { stdout, stderr } = process;
    this.json = json;
    this.quiet = quiet;
    this.isTerminal = stdout.isTTY === true;
    this.paint = colour && this.isTerminal ? coloured : plain;
    this.paintNote = colour && stderr.isTTY === true ? coloured : plain;
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#broken !== undefined) return;
      this.#broken = error.code === 'EPIPE' ? new BrokenPipe('Nobody reads standard output any more.') : error;
      broken();
    });
    // Where nobody hears what is wrong, nothing can be said about it.
    stderr.on('error', () => {});
  }

  /** Columns of the terminal; a table in a file is as wide as it needs. */
  get columns(): number {
    return this.isTerminal ? Math.max(20, process.stdout.columns || 80) : Number.MAX_SAFE_INTEGER;
  }

  /** A line of the result. */
  line(text = ''): void {
    this.write(`${text}\n`);
  }

  /** A value as one line of JSON. */
  value(value: unknown): void {
    this.write(`${JSON.stringify(value)}\n`);
  }

  table(columns: readonly Column[], rows: readonly (readonly Cell[])[]): void {
    for (const line of tableLines(columns, rows, this.columns, this.paint)) this.line(line);
  }

  facts(facts: readonly (readonly [label: string, text: string])[]): void {
    for (const line of factLines(facts, this.paint)) this.line(line);
  }

  /** What goes out at the end of the turn; whoever writes much awaits `flush` now and then. */
  write(part: string | Uint8Array): void {
    this.#gathered.push(part);
    this.#gatheredBytes += part.length;
    if (this.#gatheredBytes >= GATHER_BYTES) this.#send();
    else if (!this.#isDue) {
      this.#isDue = true;
      setImmediate(() => {
        this.#isDue = false;
        this.#send();
      });
    }
  }

  /** Resolves when all that was written is with the system. @throws BrokenPipe, and what writing throws */
  async flush(): Promise<void> {
    this.#send();
    await this.#written;
    if (this.#broken) throw this.#broken;
  }

  #send(): void {
    if (this.#gathered.length === 0) return;
    const parts = this.#gathered.splice(0);
    this.#gatheredBytes = 0;
    if (this.#broken) return;
    const whole = parts.every((part) => typeof part === 'string')
      ? parts.join('')
      : Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
    this.clear();
    // An error comes by the stream's event as well, before this.
    this.#written = new Promise((resolve) => {
      process.stdout.write(whole, () => resolve());
    });
  }

  /** Something to know that is no result. */
  note(text: string): void {
    if (!this.quiet) this.#say(text);
  }

  /** As `note`, also with --quiet: something is not as it was asked for. */
  warn(text: string): void {
    this.#say(`${this.paintNote('yellow', 'wayside:')} ${text}`);
  }

  /** What went wrong, in one line. */
  error(text: string): void {
    this.#say(`${this.paintNote('red', 'wayside:')} ${text.replaceAll(/\s*\n\s*/g, ' ')}`);
  }

  #say(text: string): void {
    this.clear();
    process.stderr.write(`${text}\n`);
  }

  /**
   * A line on the terminal that is renewed until it is stopped; nothing where there is none.
   *
   * @param line what to say now; it is cut where the terminal is narrow
   */
  progress(line: () => string): { stop(): void } {
    if (this.quiet || process.stderr.isTTY !== true) return { stop() {} };
    const begun = performance.now();
    this.#line = line;
    const timer = setInterval(() => {
      if (performance.now() - begun >= PROGRESS_AFTER_MS) this.#draw();
    }, PROGRESS_EVERY_MS);
    timer.unref();
    return {
      stop: () => {
        clearInterval(timer);
        this.clear();
        this.#line = undefined;
      },
    };
  }

  #draw(): void {
    if (this.#line === undefined) return;
    const text = fitted(this.#line(), Math.max(20, process.stderr.columns || 80) - 1);
    process.stderr.write(`\r\u001b[K${this.paintNote('dim', text)}`);
    this.#isLineShown = true;
  }

  /** Takes the progress line away. */
  clear(): void {
    if (!this.#isLineShown) return;
    process.stderr.write('\r\u001b[K');
    this.#isLineShown = false;
  }

  /** Asks at the terminal. @returns undefined where nobody can be asked */
  async ask(question: string): Promise<string | undefined> {
    if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) return undefined;
    const reader = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await reader.question(question);
    } finally {
      reader.close();
    }
  }
}
