/** Asking before something goes that does not come back. */
import { Failed, Usage } from './command.ts';
import type { Output } from './output.ts';

/**
 * @param what goes, as `station orders with its groups`
 * @param word to be typed: a name, so that it is not typed by habit
 * @param isSure --yes was given: nobody is asked
 * @throws Usage nobody can be asked · Failed another word was typed
 */
export async function confirm(out: Output, what: string, word: string, isSure: boolean): Promise<void> {
  if (isSure) return;
  const typed = await out.ask(`Gone for good: ${what}. Type ${out.paintNote('bold', word)} to go on: `);
  if (typed === undefined) throw new Usage(`To be gone for good: ${what}. Say --yes, since nobody can be asked here.`);
  if (typed.trim() !== word) throw new Failed('Nothing was removed.');
}
