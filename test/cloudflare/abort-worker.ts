/** The Worker, whose object can be told to end at once, as the platform may end it at any time. */
import type { ObjectState } from '../../src/adapters/cloudflare/platform.ts';
import type { WaysideEnv } from '../../src/adapters/cloudflare/worker.ts';
import worker, { WaysideObject as Real } from '../../src/adapters/cloudflare/worker.ts';

export class WaysideObject extends Real {
  readonly #abort: () => void;

  constructor(state: ObjectState, env: WaysideEnv) {
    super(state, env);
    this.#abort = () => state.abort('the test ends it');
  }

  override async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).pathname === '/abort') this.#abort();
    return super.fetch(request);
  }
}

export default worker;
