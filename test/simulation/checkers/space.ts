/**
 * I16: how much of the disk the volume may take at rest.
 *
 * Holds: 1.5 × what lives, two segments, and what each sealed segment has besides its blocks: with segments as small as a
 * simulation's, directories can be a third of them. Elsewhere: what lives (the volume's own figures).
 */
import type { VolumeStats } from '../../../src/core/ports.ts';
import { decodeSegmentHeader, decodeTrailer, SEGMENT_HEADER_BYTES, TRAILER_BYTES } from '../../../src/core/volume/format.ts';
import { segmentNumber } from '../../../src/core/volume/segment.ts';
import type { Disk } from '../faults/disk.ts';

/**
 * @param largest bytes of the largest commit, which may have had to get a segment of its own
 * @returns what is wrong, if anything
 */
export function excess({ diskBytes, liveBytes, segmentBytes }: VolumeStats, disk: Disk, largest: number): string | undefined {
  const most = 1.5 * liveBytes + 2 * Math.max(segmentBytes, largest) + besidesBlocks(disk);
  return diskBytes > most ? `I16: ${diskBytes} bytes on disk at rest for ${liveBytes} living ones; ${most} are allowed` : undefined;
}

/** Headers, directories and footers of the sealed segments. */
function besidesBlocks(disk: Disk): number {
  let bytes = 0;
  for (const [name, inode] of disk.names) {
    const header = segmentNumber(name) === undefined ? undefined : decodeSegmentHeader(inode.read(0, SEGMENT_HEADER_BYTES));
    if (header === undefined || header === 'newer' || inode.size < TRAILER_BYTES) continue;
    const trailer = decodeTrailer(inode.read(inode.size - TRAILER_BYTES, TRAILER_BYTES), inode.size, header.id);
    if (trailer !== undefined) bytes += inode.size - (trailer.end - trailer.base);
  }
  return bytes;
}
