/** `embed()` for Node, Deno and Bun: a broker in this process, in memory or on a folder. */
import type { Limits } from '../../core/limits.ts';
import type { Journal } from '../../core/ports.ts';
import { embed as embedInMemory } from '../memory/embed.ts';
import type { Embedded, EmbeddedClientOptions } from '../memory/embedded.ts';
import { EmbeddedBroker } from '../memory/embedded.ts';
import { openFolder } from './folder.ts';
import { stderrJournal } from './journal.ts';

export type { Embedded, EmbeddedClientOptions } from '../memory/embedded.ts';

/** Of a broker in this process. */
export interface EmbedOptions extends EmbeddedClientOptions {
  /**
   * A folder, made if it is not there: what is answered is on the disk then, and is there again when the folder is opened
   * again, however the process ended. One process at a time has it. Without one everything is in memory.
   */
  readonly data?: string | undefined;
  /** Limits other than the broker's own. */
  readonly limits?: Partial<Limits> | undefined;
  /** What the broker tells its operator; warnings and errors go to standard error unless given. */
  readonly journal?: Journal | undefined;
}

/**
 * A broker in this process, without a port: the very core that a server runs.
 *
 * @throws UNAVAILABLE another process, or another broker of this one, has the folder · CORRUPTION names file and byte
 * range · STORAGE_FAILED · TypeError a limit is none
 */
export async function embed({ data, limits, journal = warnings(), ...client }: EmbedOptions = {}): Promise<Embedded> {
  if (data === undefined) return embedInMemory({ limits, journal, ...client });
  return new EmbeddedBroker(await openFolder({ data, limits, journal }), client);
}

/** What went well is nobody's news inside a program. */
function warnings(): Journal {
  return { ...stderrJournal(), info: () => undefined };
}
