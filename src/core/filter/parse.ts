/**
 * Filters: an expression over a message's key and headers, as text, made into a question that a record can be asked.
 *
 * Holds: a text that parses has at most `filterTermsMax` comparisons, so that asking costs a bounded number of looks at the
 * record; a refusal names the place and what was expected there. The language is described in FILTERS.md.
 * Elsewhere: who asks (partition/sieve.ts), where the text is given (config.ts).
 */
import type { RecordCursor } from '../batch/cursor.ts';
import { WaysideError } from '../errors.ts';
import type { Limits } from '../limits.ts';

/** Does the cursor's record match? */
export type Filter = (record: RecordCursor) => boolean;

/** What a comparison looks at; undefined where the record has none. */
type Field = (record: RecordCursor) => string | undefined;

type FilterLimits = Pick<Limits, 'filterBytesMax' | 'filterTermsMax'>;

const encoder = new TextEncoder();
const TOKEN = /\s*(?:(&&|\|\||==|!=|\^=|[()[\],.!])|("(?:[^"\\]|\\["\\])*")|([A-Za-z0-9_-]+))/y;

/** @throws INVALID_REQUEST it is no filter, or too large; names the place */
export function parseFilter(text: string, limits: FilterLimits): Filter {
  const bytes = encoder.encode(text).length;
  if (bytes > limits.filterBytesMax) throw refusal(`It has ${bytes} bytes; ${limits.filterBytesMax} are allowed.`);
  return new Parser(text, limits.filterTermsMax).parse();
}

class Parser {
  readonly #text: string;
  readonly #termsMax: number;
  #terms = 0;
  /** Where the current token begins and ends. */
  #start = 0;
  #end = 0;
  #token = '';

  constructor(text: string, termsMax: number) {
    this.#text = text;
    this.#termsMax = termsMax;
    this.#advance();
  }

  parse(): Filter {
    const filter = this.#either();
    if (this.#token !== '') throw this.#expected('"&&", "||" or the end');
    return filter;
  }

  #either(): Filter {
    const parts = [this.#both()];
    while (this.#take('||')) parts.push(this.#both());
    return parts.length === 1 ? parts[0]! : (record) => parts.some((part) => part(record));
  }

  #both(): Filter {
    const parts = [this.#one()];
    while (this.#take('&&')) parts.push(this.#one());
    return parts.length === 1 ? parts[0]! : (record) => parts.every((part) => part(record));
  }

  #one(): Filter {
    if (this.#take('!')) {
      const inner = this.#one();
      return (record) => !inner(record);
    }
    if (this.#take('(')) {
      const inner = this.#either();
      this.#need(')');
      return inner;
    }
    if (++this.#terms > this.#termsMax) throw refusal(`It has more than ${this.#termsMax} comparisons.`);
    if (this.#take('exists')) {
      this.#need('(');
      const field = this.#field();
      this.#need(')');
      return (record) => field(record) !== undefined;
    }
    return this.#comparison(this.#field());
  }

  #comparison(field: Field): Filter {
    if (this.#take('==')) {
      const wanted = this.#string();
      return (record) => field(record) === wanted;
    }
    if (this.#take('!=')) {
      const unwanted = this.#string();
      return (record) => field(record) !== unwanted;
    }
    if (this.#take('^=')) {
      const prefix = this.#string();
      return (record) => field(record)?.startsWith(prefix) === true;
    }
    if (this.#take('in')) {
      const wanted = this.#list();
      return (record) => {
        const value = field(record);
        return value !== undefined && wanted.has(value);
      };
    }
    throw this.#expected('"==", "!=", "^=" or "in"');
  }

  #field(): Field {
    if (this.#take('key')) return (record) => record.key;
    if (!this.#take('header')) throw this.#expected('"key", "header", "exists", "!" or "("');
    let name: string;
    if (this.#take('[')) {
      name = this.#string();
      this.#need(']');
    } else {
      this.#need('.');
      if (!/^[A-Za-z0-9_-]+$/.test(this.#token)) throw this.#expected('the name of a header');
      name = this.#token;
      this.#advance();
    }
    const bytes = encoder.encode(name);
    return (record) => record.header(bytes);
  }

  #list(): Set<string> {
    this.#need('(');
    const values = new Set<string>();
    do {
      if (++this.#terms > this.#termsMax) throw refusal(`It has more than ${this.#termsMax} comparisons; each value of "in" is one.`);
      values.add(this.#string());
    } while (this.#take(','));
    this.#need(')');
    return values;
  }

  #string(): string {
    if (!this.#token.startsWith('"')) throw this.#expected('a text in double quotes');
    const value = this.#token.slice(1, -1).replace(/\\(["\\])/g, '$1');
    this.#advance();
    return value;
  }

  #take(token: string): boolean {
    if (this.#token !== token) return false;
    this.#advance();
    return true;
  }

  #need(token: string): void {
    if (!this.#take(token)) throw this.#expected(`"${token}"`);
  }

  #advance(): void {
    TOKEN.lastIndex = this.#end;
    const found = TOKEN.exec(this.#text);
    if (found === null) {
      this.#start = this.#text.length - this.#text.slice(this.#end).trimStart().length;
      if (this.#start < this.#text.length) throw this.#expected('a word, a text in double quotes or an operator');
      this.#token = '';
      return;
    }
    this.#token = found[1] ?? found[2] ?? found[3]!;
    this.#end = TOKEN.lastIndex;
    this.#start = this.#end - this.#token.length;
  }

  #expected(what: string): WaysideError {
    const found = this.#start >= this.#text.length ? 'the end' : JSON.stringify(this.#text.slice(this.#start, this.#start + 16));
    return refusal(`At character ${this.#start + 1} there is ${found} where ${what} is expected.`);
  }
}

function refusal(why: string): WaysideError {
  return new WaysideError('INVALID_REQUEST', `filter cannot be used. ${why}`, { field: 'filter' });
}
