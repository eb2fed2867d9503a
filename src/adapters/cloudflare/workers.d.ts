/** What is used of Cloudflare's own module. */
declare module 'cloudflare:workers' {
  type State = import('./platform.ts').ObjectState;

  /** A class whose public methods others may call through a stub. */
  export abstract class DurableObject<Env = unknown> {
    protected readonly ctx: State;
    protected readonly env: Env;
    constructor(ctx: State, env: Env);
  }
}
