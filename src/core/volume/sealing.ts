/**
 * Sealing: a segment that takes no more gets its footer, is cut to its length, and lets go of its heads in memory.
 *
 * Holds: a segment is sealed only when all its blocks are synced; from then on its file never changes. Until the footer is on
 * stable storage the heads stay in memory, so a failed attempt costs nothing but another one.
 * Elsewhere: the bytes of the footer (footer.ts), who asks for it (log.ts while running, opening.ts for the old tail).
 */
import { buildFooter } from './footer.ts';
import type { Segment } from './segment.ts';
import type { Store } from './store.ts';

/** @throws DiskFullError try again later; anything else means that the storage has failed */
export async function seal(store: Store, segment: Segment): Promise<void> {
  const { table, begun, file, end } = segment;
  if (!table || !file || segment.sealed) return;
  const building = buildFooter(segment, store.epoch, table, begun, store.ports.crc32c);
  let built = building.next();
  for (; !built.done; built = building.next()) await new Promise<void>((resolve) => store.ports.timers.endOfTurn(resolve));
  if (store.failure) return;
  const footer = built.value;
  await file.writeAhead(end, footer.bytes);
  await file.truncate(end + footer.bytes.length);
  await file.sync();
  if (store.failure) return;
  segment.filled = end + footer.bytes.length;
  footer.notes.forEach(({ at, bytes, crc }, nth) => {
    const range = begun[nth]!;
    range.rows = undefined;
    range.at = at;
    range.bytes = bytes;
    range.crc = crc;
  });
  segment.table = undefined;
  segment.begun = [];
  segment.sealed = true;
  store.lend(segment);
}
