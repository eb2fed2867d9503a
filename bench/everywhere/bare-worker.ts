/** The bare object: it inserts the blob that a call brings, syncs, and answers. Behind a Worker that takes it to it by RPC. */
import { DurableObject } from 'cloudflare:workers';
import type { ObjectState } from '../../src/adapters/cloudflare/platform.ts';

export class BareObject extends DurableObject {
  #next = 0;

  constructor(state: ObjectState, env: unknown) {
    super(state, env);
    this.ctx.storage.sql.exec('CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT');
    for (const { last } of this.ctx.storage.sql.exec<{ last: number }>('SELECT coalesce(max(id), 0) AS last FROM journal').toArray())
      this.#next = last + 1;
  }

  async append(bytes: Uint8Array): Promise<number> {
    const id = this.#next++;
    this.ctx.storage.sql.exec('INSERT INTO journal (id, bytes) VALUES (?, ?)', id, bytes);
    await this.ctx.storage.sync();
    return id;
  }
}

export default {
  async fetch(
    request: Request,
    env: { BARE: { getByName(name: string): { append(bytes: Uint8Array): Promise<number> } } },
  ): Promise<Response> {
    const id = await env.BARE.getByName('one').append(new Uint8Array(await request.arrayBuffer()));
    return Response.json({ id });
  },
};
