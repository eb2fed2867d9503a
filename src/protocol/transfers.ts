/** What an import answers. The stream itself is no JSON (core/transfer/FORMAT.md). */
import * as z from 'zod';
import * as fields from './fields.ts';

export function transferSchemas() {
  const durability = z.enum(['memory', 'buffered', 'local', 'synced', 'replicated']);
  return {
    progress: z.object({ offset: fields.whole(0).describe('Bytes of the stream that need not be sent again.') }),
    imported: z.object({
      stations: z.array(
        z.object({
          name: z.string(),
          messages: fields.whole(0),
          durability,
          loweredFrom: durability.optional().describe('What the stream asked for, where this host gives less.'),
        }),
      ),
    }),
  };
}
