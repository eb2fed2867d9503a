/** Something that is opened once in an instance of an object, and that every call waits for; what cannot be opened is tried again by the next. */
export class Opening<T> {
  readonly #open: () => Promise<T>;
  #opened: Promise<T> | undefined;

  constructor(open: () => Promise<T>) {
    this.#open = open;
  }

  get(): Promise<T> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  get isAsked(): boolean {
    return this.#opened !== undefined;
  }

  /** The next call opens it anew. */
  forget(): void {
    this.#opened = undefined;
  }
}
