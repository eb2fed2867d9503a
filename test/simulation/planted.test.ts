/**
 * Bugs planted in the core on purpose: each must be caught. Zero failures mean something only because of this.
 * Elsewhere: where they are planted (`isPlanted` in src/core), the volume's own (volume.test.ts).
 */
import { describe, expect, test } from 'vitest';
import { catchPlanted, PLANTED } from './main.ts';

/** Several times what each needs: see the report of `npm run simulate`. */
const SEEDS_MAX = 400;

describe('a planted bug is caught', () => {
  test.each(PLANTED.filter(([, campaign]) => campaign === 'broker'))(
    '%s, by the %s campaign',
    { timeout: 120_000 },
    async (name, campaign) => {
      const caught = await catchPlanted(name, campaign, SEEDS_MAX);
      expect(caught, `${name} was not caught in ${SEEDS_MAX} seeds`).toBeDefined();
    },
  );
});
