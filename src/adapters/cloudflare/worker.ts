/**
 * The Worker: answers the API, with the objects that have the catalog and the partitions behind it.
 *
 * Holds: what is missing of the deployment is said at the first request; nothing that waits is shared by two requests, since the
 * runtime lets none use what another has opened; what an instance shares is plain values, and the routes.
 */
import about from '../../../package.json' with { type: 'json' };
import type { Broker } from '../../core/calls.ts';
import { asWaysideError, WaysideError } from '../../core/errors.ts';
import { makeLimits } from '../../core/limits.ts';
import type { Timers } from '../../core/ports.ts';
import { createFront } from '../../core/spread/front.ts';
import { KeptStations } from '../../core/spread/kept.ts';
import { opened } from '../../core/spread/wire.ts';
import type { Door, Gateway } from '../../gateway/gateway.ts';
import { createGateway } from '../../gateway/gateway.ts';
import { problemOf } from '../../gateway/problem.ts';
import { isLoopback } from '../../gateway/rest/access.ts';
import { systemRandom } from '../memory/random.ts';
import { gatherTurns, systemClock, systemTimers } from '../memory/timers.ts';
import { catalogLink, catalogStub, partitionLink } from './links.ts';
import { journal } from './object.ts';
import type { WaysideEnv } from './platform.ts';
import { openSocket } from './sockets.ts';

export { WaysideCatalog } from './catalog-object.ts';
export { WaysidePartition } from './partition-object.ts';
export type { WaysideEnv } from './platform.ts';

const limits = makeLimits();
const kept = new KeptStations();
const ledger = { pending: 0 };
/** Tickets that the catalog has just found good, for the request that brought them. */
const goodTickets = new Set<string>();
/** Made with the first request: the runtime gives no chance before it. */
let shared: { readonly env: WaysideEnv; readonly gateway: Gateway } | undefined;

/** The Worker: takes each call to the objects, by the bindings WAYSIDE_CATALOG and WAYSIDE_PARTITION. */
const worker = {
  async fetch(request: Request, env: WaysideEnv): Promise<Response> {
    try {
      const lacking = whatIsMissing(request, env);
      if (lacking !== undefined) throw lacking;
      await redeemTicket(request, env);
      const { broker, door } = doorOf(env);
      if (request.headers.get('upgrade')?.toLowerCase() === 'websocket') {
        const upgrade = door.frames.upgrade(request, new URL(request.url).pathname);
        return openSocket(upgrade, limits.frameBytesMax, () => void broker.close());
      }
      const response = await door.fetch(request);
      // What is still read as it comes needs the broker for as long.
      if (!isLive(response)) await broker.close();
      return response;
    } catch (error) {
      const { status, headers, body } = problemOf(asWaysideError(error));
      return new Response(body, { status, headers });
    }
  },
};

export default worker;

function doorOf(env: WaysideEnv): { broker: Broker; door: Door } {
  const timers = requestTimers();
  const broker = createFront({
    catalog: catalogLink(env.WAYSIDE_CATALOG),
    partitions: partitionLink(env.WAYSIDE_PARTITION),
    timers,
    random: systemRandom(),
    limits,
    kept,
    ledger,
  });
  shared ??= { env, gateway: makeGateway(broker, env) };
  return { broker, door: shared.gateway.over(broker, timers) };
}

/** Of one request: the end of a turn that another has asked for may never come. */
function requestTimers(): Timers {
  return { ...systemTimers(), endOfTurn: gatherTurns((run) => void setTimeout(run, 0)) };
}

function makeGateway(broker: Broker, env: WaysideEnv): Gateway {
  return createGateway(broker, {
    clock: systemClock,
    timers: requestTimers(),
    random: systemRandom(),
    journal,
    limits,
    token: env.WAYSIDE_TOKEN,
    runtime: 'workerd',
    version: about.version,
    answersWhole: true,
    headersAreText: true,
    corsOrigins: env.WAYSIDE_CORS_ORIGINS?.split(',').map((origin) => origin.trim()),
    tickets: { issue: () => opened(catalogStub(env.WAYSIDE_CATALOG).issueTicket()), redeem: (ticket) => goodTickets.delete(ticket) },
  });
}

/** A ticket is known where it was given out: in the catalog. */
async function redeemTicket(request: Request, env: WaysideEnv): Promise<void> {
  const ticket = new URL(request.url).searchParams.get('ticket');
  if (ticket === null || env.WAYSIDE_TOKEN === undefined || request.headers.has('authorization')) return;
  if (await opened<boolean>(catalogStub(env.WAYSIDE_CATALOG).redeemTicket(ticket))) goodTickets.add(ticket);
}

function isLive(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('text/event-stream') === true;
}

function whatIsMissing(request: Request, env: WaysideEnv): WaysideError | undefined {
  for (const [binding, name] of [
    ['WAYSIDE_CATALOG', 'WaysideCatalog'],
    ['WAYSIDE_PARTITION', 'WaysidePartition'],
  ] as const)
    if (typeof env[binding]?.getByName !== 'function')
      return new WaysideError(
        'UNAVAILABLE',
        `This Worker has no binding ${binding} to the Durable Object class ${name}. Add it to wrangler.jsonc (durable_objects and migrations), and deploy again.`,
      );
  const host = request.headers.get('host') ?? new URL(request.url).host;
  if (env.WAYSIDE_TOKEN === undefined && !isLoopback(host))
    return new WaysideError(
      'FORBIDDEN',
      'This Worker has no token, and answers nobody but localhost without one. Set it: npx wrangler secret put WAYSIDE_TOKEN',
    );
  return undefined;
}
