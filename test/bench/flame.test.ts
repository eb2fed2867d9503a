import { expect, test } from 'vitest';
import { flamePage } from '../../bench/flame/page.ts';
import { hottest, tree } from '../../bench/flame/profile.ts';

const frame = (functionName: string, url = '', lineNumber = 0) => ({ functionName, url, lineNumber });
const PROFILE = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 5] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('produce', 'file:///home/x/src/core/broker/produce.ts', 41), children: [4] },
    { id: 4, callFrame: frame('crc</script>', 'file:///home/x/src/core/crc32c.ts', 9) },
    // The same function from the same caller, as another version of it that the engine has made.
    { id: 5, callFrame: frame('produce', 'file:///home/x/src/core/broker/produce.ts', 41) },
  ],
  samples: [2, 3, 4, 4, 5],
  timeDeltas: [1_000, 10, 20, 30, 40],
};

test('a profile becomes a tree without what was idle, a function called twice from one place being one frame', () => {
  const root = tree(PROFILE);
  expect(root.total).toBe(100);
  expect(root.children).toMatchObject([{ name: 'produce', place: 'src/core/broker/produce.ts:42', self: 50, total: 100 }]);
  expect(root.children[0]!.children).toMatchObject([{ name: 'crc</script>', place: 'src/core/crc32c.ts:10', self: 50 }]);
});

test('the hottest functions come first, by the time in them alone', () => {
  expect(hottest(tree(PROFILE), 2).map(({ self }) => self)).toEqual([50, 50]);
});

test('the page holds the tree, and no name can end its script', () => {
  const page = flamePage('a < b', tree(PROFILE));
  expect(page).toContain('a &lt; b');
  expect(page.match(/<\/script>/g)).toHaveLength(1);
});
