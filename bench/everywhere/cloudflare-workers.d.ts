/** What the bare object uses of Cloudflare's own module. */
declare module 'cloudflare:workers' {
  export class DurableObject {
    readonly ctx: {
      readonly storage: {
        readonly sql: { exec(query: string, ...bindings: unknown[]): { toArray(): { last: number }[] } };
        sync(): Promise<void>;
      };
    };
    constructor(state: unknown, env: unknown);
  }
}
