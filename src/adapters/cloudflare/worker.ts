/**
 * The Worker: takes a request to the object that has the broker.
 *
 * Holds: what is missing of the deployment is said at the first request; an object that ended under a call is a clear refusal.
 */
import { WaysideError } from '../../core/errors.ts';
import { problemOf } from '../../gateway/problem.ts';
import { isLoopback } from '../../gateway/rest/access.ts';
import type { WaysideEnv } from './object.ts';

export type { WaysideEnv } from './object.ts';
export { WaysideObject } from './object.ts';

/** The one object, by its name. */
const OBJECT = 'broker';

/** The Worker: takes each request to the object, by the binding WAYSIDE. */
const worker = {
  async fetch(request: Request, env: WaysideEnv): Promise<Response> {
    const lacking = whatIsMissing(request, env);
    if (lacking !== undefined) return refusal(lacking);
    try {
      return await env.WAYSIDE.getByName(OBJECT).fetch(request);
    } catch (error) {
      // The runtime has ended the object (a deployment, a fault) or cannot reach it: what became of the call is not known.
      console.error(`wayside: the object did not answer: ${String(error)}`);
      return refusal(
        new WaysideError('UNAVAILABLE', 'The broker did not answer; the call may have been carried out. Send it again with the same id.', {
          retryAfterMs: 1000,
        }),
      );
    }
  },
};

export default worker;

function whatIsMissing(request: Request, env: WaysideEnv): WaysideError | undefined {
  if (typeof env.WAYSIDE?.getByName !== 'function')
    return new WaysideError(
      'UNAVAILABLE',
      'This Worker has no binding WAYSIDE to the Durable Object class WaysideObject. Add it to wrangler.jsonc (durable_objects and migrations), and deploy again.',
    );
  const host = request.headers.get('host') ?? new URL(request.url).host;
  if (env.WAYSIDE_TOKEN === undefined && !isLoopback(host))
    return new WaysideError(
      'FORBIDDEN',
      'This Worker has no token, and answers nobody but localhost without one. Set it: npx wrangler secret put WAYSIDE_TOKEN',
    );
  return undefined;
}

function refusal(error: WaysideError): Response {
  const { status, headers, body } = problemOf(error);
  return new Response(body, { status, headers });
}
