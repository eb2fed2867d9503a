/** The Worker, whose objects can be told to end at once, as the platform may end them at any time: one by chance. */
import type { ObjectNamespace } from '../../src/adapters/cloudflare/platform.ts';
import type { WaysideEnv } from '../../src/adapters/cloudflare/worker.ts';
import worker, { WaysideCatalog as RealCatalog, WaysidePartition as RealPartition } from '../../src/adapters/cloudflare/worker.ts';

interface Ending {
  end(): Promise<void>;
}

export class WaysideCatalog extends RealCatalog {
  async end(): Promise<void> {
    this.ctx.abort('the test ends it');
  }
}

export class WaysidePartition extends RealPartition {
  async end(): Promise<void> {
    this.ctx.abort('the test ends it');
  }
}

/** Objects that were called. */
const called = new Set<string>();

function noting<Stub>(what: string, namespace: ObjectNamespace<Stub>): ObjectNamespace<Stub> {
  return {
    getByName(name) {
      called.add(`${what} ${name}`);
      return namespace.getByName(name);
    },
  };
}

export default {
  async fetch(request: Request, env: WaysideEnv): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname !== '/abort')
      return worker.fetch(request, {
        ...env,
        WAYSIDE_CATALOG: noting('catalog', env.WAYSIDE_CATALOG),
        WAYSIDE_PARTITION: noting('partition', env.WAYSIDE_PARTITION),
      });
    const [what, name = ''] = ([...called][Math.floor(Math.random() * called.size)] ?? '').split(' ');
    if (what === '') return new Response('nobody was called', { status: 404 });
    const namespace = (what === 'catalog' ? env.WAYSIDE_CATALOG : env.WAYSIDE_PARTITION) as unknown as ObjectNamespace<Ending>;
    const ended = await namespace
      .getByName(name)
      .end()
      .then(
        () => false,
        () => true,
      );
    return new Response(`${what} ${name}`, { status: ended ? 503 : 500 });
  },
};
