/**
 * Exports and imports under way.
 *
 * Holds: so many at a time; one that nobody asks for any more ends by itself, and lets go of what it keeps; an import that
 * was refused, or that nobody goes on with, leaves nothing.
 * Elsewhere: the streams (transfer/), where partitions are (transfer/port.ts).
 */
import type { ExportInput, ExportStream, ImportInput, ImportProgress, ImportResult } from '../calls.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Station } from '../catalog/state.ts';
import type { Visits } from '../catalog/visit.ts';
import { checkName } from '../config.ts';
import { asWaysideError, WaysideError } from '../errors.ts';
import { cut } from '../transfer/cut.ts';
import { Export } from '../transfer/export.ts';
import { importRefused } from '../transfer/format.ts';
import { Import } from '../transfer/import.ts';
import type { TransferPlaces } from '../transfer/port.ts';
import type { Context } from './context.ts';

interface Underway<T> {
  readonly of: T;
  readonly namespace: string;
  /** Takes back what would end it. */
  unset: () => void;
}

interface Given extends Underway<Export> {
  /** When its partitions were told last that somebody wants it. */
  renewedAt: number;
}

interface Fed extends Underway<Import> {
  isBusy: boolean;
}

export class Transfers {
  readonly #context: Context;
  readonly #catalog: Catalog;
  readonly #places: TransferPlaces;
  readonly #visits: Visits;
  readonly #exports = new Map<string, Given>();
  /** By the id that the caller has chosen; others have one that no caller can choose. */
  readonly #imports = new Map<string, Fed>();
  #unnamed = 0;
  #closed: WaysideError | undefined;

  constructor(context: Context, parts: { catalog: Catalog; places: TransferPlaces; visits: Visits }) {
    this.#context = context;
    this.#catalog = parts.catalog;
    this.#places = parts.places;
    this.#visits = parts.visits;
  }

  // ── Export ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async export(namespace: string, { station, id, offset = 0 }: ExportInput): Promise<ExportStream> {
    const underway = id === undefined ? await this.#begin(namespace, station) : this.#exports.get(id);
    if (underway === undefined || underway.namespace !== namespace)
      throw new WaysideError('NOT_FOUND', 'There is no such export (any more): ask for a new one.');
    await underway.of.check(offset);
    underway.renewedAt = this.#context.time.now();
    return { id: underway.of.id, bytes: this.#bytes(underway, offset) };
  }

  async #begin(namespace: string, station: string | undefined): Promise<Given> {
    const { limits, random, time } = this.#context;
    for (const each of this.#exports.values()) {
      if (this.#exports.size < limits.exportsMax) break;
      if (each.of.isRead) this.#endExport(each, new WaysideError('UNAVAILABLE', 'The export has ended. Ask for a new one.'));
    }
    if (this.#exports.size >= limits.exportsMax)
      throw new WaysideError('OVERLOADED', `${limits.exportsMax} exports are under way. Ask again when one has ended.`, {
        retryAfterMs: 5_000,
      });
    const id = random.u32().toString(36) + random.u32().toString(36);
    const where = { catalog: this.#catalog, places: this.#places, visits: this.#visits, timers: this.#context.timers };
    const stations = await cut(where, () => this.#pick(namespace, station));
    const underway = { of: new Export(id, time.now(), stations), namespace, renewedAt: time.now(), unset: () => undefined };
    this.#exports.set(id, underway);
    if (this.#closed !== undefined) this.#endExport(underway, this.#closed);
    this.#endLater(underway);
    return underway;
  }

  #pick(namespace: string, name: string | undefined): readonly Station[] {
    if (name !== undefined) return [this.#catalog.station(namespace, name)];
    const id = this.#catalog.state.namespaces.get(namespace);
    return id === undefined ? [] : [...(this.#catalog.state.stations.get(id)?.values() ?? [])];
  }

  async *#bytes(underway: Given, offset: number): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of underway.of.bytes(offset)) {
        // Whoever reads is given time for this piece, and no more.
        this.#endLater(underway);
        await this.#renew(underway);
        yield chunk;
      }
    } catch (error) {
      const failure = asWaysideError(error);
      // It cannot be gone on with, unless it was asked for what it does not have.
      if (failure.code !== 'INVALID_REQUEST') this.#endExport(underway, failure);
      throw error;
    } finally {
      // The last bytes may be on their way to nobody: they can be asked for again.
      this.#endLater(underway);
    }
  }

  /** Those that are not read yet keep what they have for as long as others are. */
  async #renew(underway: Given): Promise<void> {
    const now = this.#context.time.now();
    if (now < underway.renewedAt + this.#context.limits.exportIdleMs / 4) return;
    underway.renewedAt = now;
    await underway.of.renew();
  }

  #endLater(underway: Given): void {
    underway.unset();
    if (!this.#exports.has(underway.of.id)) return;
    underway.unset = this.#context.timers.after(this.#context.limits.exportIdleMs, () =>
      this.#endExport(underway, new WaysideError('UNAVAILABLE', 'Nobody read the export for too long. Ask for a new one.')),
    );
  }

  #endExport(underway: Given, why: WaysideError): void {
    underway.unset();
    this.#exports.delete(underway.of.id);
    underway.of.end(why);
  }

  // ── Import ─────────────────────────────────────────────────────────────────────────────────────────────────────

  progress(namespace: string, id: string): ImportProgress {
    const underway = this.#imports.get(id);
    return { offset: underway?.namespace === namespace ? underway.of.offset : 0 };
  }

  async take(namespace: string, { station, id, offset = 0 }: ImportInput, pieces: AsyncIterable<Uint8Array>): Promise<ImportResult> {
    if (id !== undefined) checkName('import', id);
    const key = id ?? `.${++this.#unnamed}`;
    const underway = this.#feeding(namespace, station, key, offset);
    let goesOn = false;
    try {
      const { isShort, why } = await this.#feed(underway.of, pieces);
      goesOn = id !== undefined && isShort;
      if (why !== undefined) throw importRefused(`The stream breaks off at byte ${underway.of.offset} (${asWaysideError(why).message}).`);
      const stations = await underway.of.finish();
      this.#imports.delete(key);
      // What is due in them is due now.
      for (const { name } of stations) await this.#open(this.#catalog.station(namespace, name));
      return { stations };
    } catch (error) {
      if (goesOn) this.#dropLater(key, underway);
      else await this.#drop(key, underway);
      throw error;
    } finally {
      underway.isBusy = false;
    }
  }

  async #open(station: Station): Promise<void> {
    await Promise.all(Array.from({ length: station.config.partitions }, (_, partition) => this.#places.source(station, partition)));
  }

  /** @returns whether the stream ended before its end, and why, if that is known */
  async #feed(of: Import, pieces: AsyncIterable<Uint8Array>): Promise<{ readonly isShort: boolean; readonly why: unknown }> {
    const stream = pieces[Symbol.asyncIterator]();
    for (;;) {
      // A connection that breaks is an end too early.
      const piece = await stream.next().catch((why: unknown) => ({ done: 'broken', why }) as const);
      if (this.#closed !== undefined) throw this.#closed;
      if (piece.done === 'broken') return { isShort: true, why: piece.why };
      if (piece.done === true) return { isShort: !of.isWhole, why: undefined };
      await of.feed(piece.value);
    }
  }

  #feeding(namespace: string, station: string | undefined, key: string, offset: number): Fed {
    if (this.#closed !== undefined) throw this.#closed;
    const found = this.#imports.get(key);
    if (found?.isBusy === true)
      throw new WaysideError('UNAVAILABLE', 'This import is being fed by another call. Ask again in a moment.', { retryAfterMs: 1_000 });
    const at = found?.of.offset ?? 0;
    if (offset !== at || (found !== undefined && found.namespace !== namespace))
      throw new WaysideError('INVALID_REQUEST', `The import goes on at byte ${at}, not ${offset}.`, { field: 'offset' });
    if (found === undefined) return this.#beginImport(namespace, station, key);
    found.unset();
    found.of.resume();
    found.isBusy = true;
    return found;
  }

  #beginImport(namespace: string, station: string | undefined, key: string): Fed {
    const { importsMax } = this.#context.limits;
    if (this.#imports.size >= importsMax)
      throw new WaysideError('OVERLOADED', `${importsMax} imports are under way. Ask again when one has ended.`, { retryAfterMs: 5_000 });
    const of = new Import({ context: this.#context, catalog: this.#catalog, places: this.#places }, namespace, station);
    const underway = { of, namespace, isBusy: true, unset: () => undefined };
    this.#imports.set(key, underway);
    return underway;
  }

  #dropLater(key: string, underway: Fed): void {
    const { timers, limits } = this.#context;
    underway.unset = timers.after(limits.importIdleMs, () => void this.#drop(key, underway));
  }

  /** What cannot be removed now (the storage has failed) is when the broker opens. */
  async #drop(key: string, underway: Fed): Promise<void> {
    underway.unset();
    this.#imports.delete(key);
    try {
      await underway.of.drop();
    } catch (error) {
      if (this.#closed === undefined) this.#context.journal.error(`An import is not removed yet: ${asWaysideError(error).message}`);
    }
  }

  /** Removes what imports have left that were under way when the broker stopped. */
  async cleanUp(): Promise<void> {
    const { importing } = this.#catalog.state;
    if (importing.size === 0) return;
    await this.#places.removeAll(importing);
    this.#catalog.dropImports([...importing]);
    await this.#catalog.durable();
  }

  close(error: WaysideError): void {
    this.#closed ??= error;
    for (const underway of [...this.#exports.values()]) this.#endExport(underway, error);
    for (const { unset } of this.#imports.values()) unset();
  }
}
