/** A client in a process of its own (clients/main.ts), as seen from the one that leads the bench. */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { ClientOptions } from './clients/client.ts';
import type { Order, Said } from './clients/main.ts';
import { profileFlags } from './servers/server.ts';

export class Load {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(options: ClientOptions): Promise<Load> {
    const flags = profileFlags(`client-${options.kind}`);
    const load = new Load(fork(`${import.meta.dirname}/clients/main.ts`, [JSON.stringify(options)], { execArgv: flags }));
    await load.#said();
    return load;
  }

  /** @throws what the client threw, with its stack */
  async do<T>(order: Order): Promise<T> {
    const said = this.#said();
    this.#child.send(order);
    return (await said) as T;
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    // Its end is the answer: a word before it could come behind it.
    this.#child.send({ do: 'close' } satisfies Order);
    await gone;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #said(): Promise<unknown> {
    const over = new AbortController();
    const { signal } = over;
    try {
      const said = await Promise.race([
        once(this.#child, 'message', { signal }).then(([message]) => message as Said),
        once(this.#child, 'exit', { signal }).then(([code]) => ({ failed: `The client ended with ${code}.` })),
      ]);
      if ('failed' in said) throw new Error(said.failed);
      return said.done;
    } finally {
      over.abort();
    }
  }
}
