/** How the tests run: one process a file, no second try. A flaky test is a bug that wants a seed. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    retry: 0,
    testTimeout: 10_000,
    hookTimeout: 20_000,
  },
});
