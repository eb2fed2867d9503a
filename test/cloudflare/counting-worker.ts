/** The Worker, whose object counts the rows that its SQLite reads and writes, as they would be billed. */
import type { ObjectState, SqlCursor, SqlStorage } from '../../src/adapters/cloudflare/platform.ts';
import type { WaysideEnv } from '../../src/adapters/cloudflare/worker.ts';
import worker, { WaysideObject as Real } from '../../src/adapters/cloudflare/worker.ts';

export class WaysideObject extends Real {
  readonly #cursors: SqlCursor<unknown>[];

  constructor(state: ObjectState, env: WaysideEnv) {
    const cursors: SqlCursor<unknown>[] = [];
    super(counted(state, cursors), env);
    this.#cursors = cursors;
  }

  override async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname !== '/rows') return super.fetch(request);
    const sum = (name: 'rowsRead' | 'rowsWritten') => this.#cursors.reduce((all, cursor) => all + cursor[name], 0);
    return Response.json({ read: sum('rowsRead'), written: sum('rowsWritten') });
  }
}

function counted(state: ObjectState, cursors: SqlCursor<unknown>[]): ObjectState {
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
    storage: {
      sql,
      transactionSync: (run) => storage.transactionSync(run),
      sync: () => storage.sync(),
      setAlarm: (at) => storage.setAlarm(at),
    },
  };
}

export default worker;
