/** Every runtime of the table, every check of every topic: a test each. `RUNTIME=name` chooses one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Check, Server } from './checks.ts';
import { runCheck } from './checks.ts';
import { runtimeNamed } from './runtimes.ts';
import { TOPICS } from './topics.ts';

/** What stands here is run. Adding a check changes it; so does one that gets lost. */
const CHECKS = 480;
const CHECK_MS_MAX = 60_000;

const chosen = (process.env.RUNTIME ?? 'node,deno,bun,workerd,browser').split(',').map(runtimeNamed);

test('an unknown runtime throws', () => {
  expect(() => runtimeNamed('abacus')).toThrow('There is no runtime named abacus');
});

test(`there are ${CHECKS} checks, each with a name of its own`, () => {
  const names = Object.entries(TOPICS).flatMap(([topic, checks]) => checks.map(({ name }) => `${topic}: ${name}`));
  expect(names.length).toBe(CHECKS);
  expect(new Set(names).size).toBe(CHECKS);
});

for (const runtime of chosen) {
  describe(runtime.name, () => {
    let server: Server;
    beforeAll(async () => {
      server = await runtime.start({});
    });
    afterAll(async () => {
      const orderly = await server.end();
      await server.close();
      expect(orderly, 'an orderly end, and nothing on standard error').toBe(true);
    });
    for (const [topic, checks] of Object.entries(TOPICS)) {
      describe.concurrent(topic, () => {
        for (const check of checks) {
          const missing = lacking(check, runtime.lacks);
          if (missing !== undefined) test.skip(`${check.name} (${missing})`);
          else test(check.name, () => runCheck(check, runtime, server), CHECK_MS_MAX);
        }
      });
    }
  });
}

function lacking({ needs = [] }: Check, lacks: Readonly<Partial<Record<string, string>>>): string | undefined {
  return needs.map((ability) => lacks[ability]).find((reason) => reason !== undefined);
}
