/**
 * Chance: from the system where it must be one that nobody can guess, from a seed where a test wants the same run again.
 */
import type { Random } from '../../core/ports.ts';

/** From the system's generator, some at a time. */
export function systemRandom(): Random {
  const pool = new Uint32Array(64);
  let used = pool.length;
  return {
    u32() {
      if (used === pool.length) {
        crypto.getRandomValues(pool);
        used = 0;
      }
      const value = pool[used]!;
      pool[used++] = 0;
      return value;
    },
  };
}

/**
 * sfc32 (Chris Doty-Humphrey, PractRand): the same numbers for the same seed and label on every machine. Fine for tests,
 * no secrets. Whoever has a label of his own draws the same numbers whatever others draw.
 */
export function seededRandom(seed: number, label: string): Random {
  let a = 0x811c9dc5;
  for (let at = 0; at < label.length; at++) a = Math.imul(a ^ label.charCodeAt(at), 0x01000193);
  let b = seed | 0;
  let c = Math.floor(seed / 2 ** 32) | 0;
  let count = 1;
  const u32 = (): number => {
    const sum = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) u32();
  return { u32 };
}
