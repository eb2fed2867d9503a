/**
 * CSV as RFC 4180 has it, read piece by piece: a row is given as soon as it is whole.
 *
 * Holds: fields may be quoted, with commas, line breaks and doubled quotes in them; rows end with CRLF, LF or CR; memory is a row.
 * A quote inside a field that does not begin with one is a character like any other; text behind a closing quote is refused.
 */

/** What is no CSV, and in which line. */
export class CsvError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

const STATE = { start: 0, bare: 1, quoted: 2, closed: 3 } as const;
type State = (typeof STATE)[keyof typeof STATE];

export class CsvReader {
  readonly #separator: string;
  #state: State = STATE.start;
  #row: string[] = [];
  #field = '';
  /** The last character was CR: an LF behind it ends nothing more. */
  #afterCr = false;
  #line = 1;
  #rowLine = 1;

  constructor(separator = ',') {
    this.#separator = separator;
  }

  /** The rows that the text ends, with the line in which each begins. @throws CsvError */
  *read(text: string): Generator<{ readonly fields: string[]; readonly line: number }> {
    const { start, bare, quoted, closed } = STATE;
    for (let at = 0; at < text.length; at++) {
      const character = text[at] ?? '';
      if (this.#afterCr) {
        this.#afterCr = false;
        if (character === '\n') continue;
      }
      if (this.#state === quoted) {
        if (character === '"') this.#state = closed;
        else {
          // As much as lies before the next quote at once.
          const end = text.indexOf('"', at);
          const piece = end < 0 ? text.slice(at) : text.slice(at, end);
          this.#field += piece;
          for (let next = piece.indexOf('\n'); next >= 0; next = piece.indexOf('\n', next + 1)) this.#line++;
          at += piece.length - 1;
        }
        continue;
      }
      if (character === this.#separator) {
        this.#endField();
        continue;
      }
      if (character === '\n' || character === '\r') {
        this.#afterCr = character === '\r';
        const row = this.#endRow();
        this.#line++;
        this.#rowLine = this.#line;
        if (row) yield row;
        continue;
      }
      if (this.#state === start && character === '"') this.#state = quoted;
      else if (this.#state === closed && character === '"') {
        this.#field += '"';
        this.#state = quoted;
      } else if (this.#state === closed)
        throw new CsvError(this.#line, 'text follows a closing quote; a quote in a field is written twice');
      else {
        this.#state = bare;
        let end = at + 1;
        while (end < text.length && !this.#ends(text[end])) end++;
        this.#field += text.slice(at, end);
        at = end - 1;
      }
    }
  }

  /** The last row, where no line end came behind it. @throws CsvError a quote is open */
  end(): { readonly fields: string[]; readonly line: number } | undefined {
    if (this.#state === STATE.quoted) throw new CsvError(this.#rowLine, 'a quote is not closed before the end');
    return this.#endRow();
  }

  #ends(character: string | undefined): boolean {
    return character === this.#separator || character === '\n' || character === '\r';
  }

  #endField(): void {
    this.#row.push(this.#field);
    this.#field = '';
    this.#state = STATE.start;
  }

  /** Undefined for an empty line. */
  #endRow(): { fields: string[]; line: number } | undefined {
    if (this.#row.length === 0 && this.#state === STATE.start) return undefined;
    this.#endField();
    const fields = this.#row;
    this.#row = [];
    return { fields, line: this.#rowLine };
  }
}
