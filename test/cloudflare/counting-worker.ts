/** The Worker, whose partitions count the rows that their SQLite reads and writes, as they would be billed: all of this isolate together. */
import type { ObjectState, SqlCursor, SqlStorage } from '../../src/adapters/cloudflare/platform.ts';
import type { WaysideEnv } from '../../src/adapters/cloudflare/worker.ts';
import worker, { WaysidePartition as Real, WaysideCatalog } from '../../src/adapters/cloudflare/worker.ts';

export { WaysideCatalog };

const cursors: SqlCursor<unknown>[] = [];

export class WaysidePartition extends Real {
  constructor(state: ObjectState, env: WaysideEnv) {
    super(counted(state), env);
  }
}

function counted(state: ObjectState): ObjectState {
  const { storage } = state;
  const sql: SqlStorage = {
    get databaseSize() {
      return storage.sql.databaseSize;
    },
    exec(query, ...bindings) {
      const cursor = storage.sql.exec<never>(query, ...bindings);
      cursors.push(cursor);
      return cursor;
    },
  };
  return {
    abort: (reason) => state.abort(reason),
    acceptWebSocket: (socket) => state.acceptWebSocket(socket),
    getWebSockets: () => state.getWebSockets(),
    storage: {
      sql,
      transactionSync: (run) => storage.transactionSync(run),
      sync: () => storage.sync(),
      setAlarm: (at) => storage.setAlarm(at),
      deleteAll: () => storage.deleteAll(),
    },
  };
}

export default {
  async fetch(request: Request, env: WaysideEnv): Promise<Response> {
    if (new URL(request.url).pathname !== '/rows') return worker.fetch(request, env);
    const sum = (name: 'rowsRead' | 'rowsWritten') => cursors.reduce((all, cursor) => all + cursor[name], 0);
    return Response.json({ read: sum('rowsRead'), written: sum('rowsWritten') });
  },
};
