/**
 * Work that is cheaper together: handlers are called message by message, a database likes many in one transaction.
 *
 * Holds: whoever asked is told when what it asked for is done, or that it has failed.
 */

/** @param work gets what was asked for in one turn of the event loop; if it throws, all of them have failed */
export function together<Item>(work: (items: readonly Item[]) => void): (item: Item) => Promise<void> {
  let next: { items: Item[]; done: Promise<void> } | undefined;
  return (item) => {
    if (next === undefined) {
      const items: Item[] = [];
      const done = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        next = undefined;
        work(items);
      });
      next = { items, done };
    }
    next.items.push(item);
    return next.done;
  };
}
