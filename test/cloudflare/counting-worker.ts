/** The Worker, whose partitions count the rows that their SQLite reads and writes, as they would be billed: all of this isolate together. */
import type { ObjectState, SqlCursor, SqlStorage } from '../../src/adapters/cloudflare/platform.ts';
import type { WaysideEnv } from '../../src/adapters/cloudflare/worker.ts';
import worker, { WaysidePartition as Real, WaysideCatalog } from '../../src/adapters/cloudflare/worker.ts';

export { WaysideCatalog };

const cursors: SqlCursor<unknown>[] = [];

export class WaysidePartition extends Real {
  constructor(state: ObjectState, env: WaysideEnv) {
    count(state.storage.sql);
    super(state, env);
  }
}

/** The runtime takes no state but its own: so the storage is made to count. */
function count(sql: SqlStorage): void {
  const exec: SqlStorage['exec'] = (query, ...bindings) => {
    const cursor = Object.getPrototypeOf(sql).exec.call(sql, query, ...bindings);
    cursors.push(cursor);
    return cursor;
  };
  Object.defineProperty(sql, 'exec', { value: exec });
}

export default {
  async fetch(request: Request, env: WaysideEnv): Promise<Response> {
    if (new URL(request.url).pathname !== '/rows') return worker.fetch(request, env);
    const sum = (name: 'rowsRead' | 'rowsWritten') => cursors.reduce((all, cursor) => all + cursor[name], 0);
    return Response.json({ read: sum('rowsRead'), written: sum('rowsWritten') });
  },
};
