/**
 * The gateway: a broker's calls over HTTP, on any runtime that has `Request` and `Response`.
 *
 * Holds: a caller is judged before anything else; every refusal has one form; a mistake of ours is told to the journal
 * and to nobody else; routes are matched on the raw path, so that no name can climb out of its place.
 * Elsewhere: what each call does (rest/), how a server takes connections (adapters).
 */
import type { Context } from 'hono';
import { Hono } from 'hono';
import type { Broker } from '../core/calls.ts';
import { asWaysideError, WaysideError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import type { Clock, Journal, Random, Timers } from '../core/ports.ts';
import type { Runtime } from '../protocol/schemas.ts';
import { makeSchemas } from '../protocol/schemas.ts';
import { InnerCall } from './frames/call.ts';
import { Frames } from './frames/frames.ts';
import { wsRoutes } from './frames/routes.ts';
import { Sessions } from './frames/sessions.ts';
import { pageRoutes } from './page/routes.ts';
import { described, problemOf } from './problem.ts';
import { Access } from './rest/access.ts';
import { batchRoutes } from './rest/batch.ts';
import { drained, drainedSoon } from './rest/body.ts';
import type { WireRequest } from './rest/call.ts';
import { Call, rawPath } from './rest/call.ts';
import { consumeRoutes } from './rest/consume.ts';
import { deadLetterRoutes } from './rest/dead-letters.ts';
import { groupRoutes } from './rest/groups.ts';
import { healthRoutes } from './rest/health.ts';
import { openapiRoute } from './rest/openapi.ts';
import { produceRoutes } from './rest/produce.ts';
import { readRoutes } from './rest/read.ts';
import type { Method, Route } from './rest/route.ts';
import { scheduleRoutes } from './rest/schedules.ts';
import type { Service } from './rest/service.ts';
import { stationRoutes } from './rest/stations.ts';
import { stepRoutes } from './rest/steps.ts';
import type { TicketBook } from './rest/tickets.ts';
import { Tickets, ticketRoutes } from './rest/tickets.ts';
import { isStream, transferRoutes } from './rest/transfers.ts';

export interface GatewayOptions {
  /** The root token. Without one only this machine is answered. */
  readonly token?: string | undefined;
  readonly runtime: Runtime;
  readonly version: string;
  readonly limits: Limits;
  /** Origins whose pages may call, as `https://example.org`; none unless set. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** There is no network to the broker (a browser's worker, say): whoever reaches it may do everything. */
  readonly isPrivate?: boolean | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Makes tickets: must be one that nobody can guess. */
  readonly random: Random;
  readonly journal: Journal;
  /** Kept in memory unless given. */
  readonly tickets?: TicketBook | undefined;
  /**
   * An answer leaves the host only when it is whole: what a refused request still sends is taken in before it, for a moment; else
   * the answer leaves at once, and ends only with it. Either way the client comes to read why.
   */
  readonly answersWhole?: boolean | undefined;
  /** The host has decoded the bytes of headers as UTF-8; else a letter is a byte, as the standard says. */
  readonly headersAreText?: boolean | undefined;
  /** The request as it stood on the wire, from what the host calls the app with (`env`). */
  readonly wire?: ((env: unknown) => WireRequest | undefined) | undefined;
}

/** Where calls come in. */
export interface Door {
  /** Answers a request. @param env what the host knows of it, for `wire` */
  fetch(request: Request, env?: unknown): Response | Promise<Response>;
  readonly frames: Frames;
}

export interface Gateway extends Door {
  readonly app: Hono;
  /**
   * A door to another broker, through the same routes: cheap to make, where nothing that waits may be shared by two requests.
   *
   * @param timers of its sessions
   */
  over(broker: Broker, timers: Timers): Door;
  /** May the body of a request for this target (path and query) be of any length? A host gives it time as long as it comes. */
  isStream(target: string): boolean;
}

export function createGateway(broker: Broker, options: GatewayOptions): Gateway {
  const { limits, runtime, version, journal, clock, timers, random } = options;
  const wire = (given: unknown) => {
    const env = given instanceof Over ? given.env : given;
    return env instanceof InnerCall ? env.wire : options.wire?.(env);
  };
  const schemas = makeSchemas(limits, runtime);
  const service: Service = { limits, schemas, runtime, version, journal };
  const tickets = options.tickets ?? new Tickets(clock, random, limits.ticketMs);
  const access = new Access(options, tickets);

  const routes: Route[] = [
    ...stationRoutes(service),
    ...produceRoutes(service),
    ...batchRoutes(service),
    ...readRoutes(service),
    ...scheduleRoutes(service),
    ...groupRoutes(service),
    ...consumeRoutes(service),
    ...stepRoutes(service),
    ...deadLetterRoutes(service),
    ...transferRoutes(service),
    ...healthRoutes(service),
    ...ticketRoutes(schemas, tickets, limits),
    ...wsRoutes(),
    ...pageRoutes(),
  ];
  routes.push(openapiRoute(routes, schemas, version));

  const app = new Hono({ getPath: (request, given) => rawPath(request, wire(given?.env)) });
  const answer = async (context: Context, route: Pick<Route, 'run' | 'open' | 'ticketed'>): Promise<Response> => {
    const { raw } = context.req;
    // Made by a session of ours, and by nobody else: whoever speaks there was judged when it opened.
    const over = (context.env as unknown) instanceof Over ? (context.env as Over) : undefined;
    const env: unknown = over === undefined ? context.env : over.env;
    const inner = env instanceof InnerCall ? env : undefined;
    const known = { wire: wire(context.env), home: inner?.namespace, headersAreText: options.headersAreText };
    const call = new Call(over?.broker ?? broker, raw, (name) => context.req.param(name), known);
    let response: Response;
    try {
      if (inner === undefined) access.check(raw, route.open ?? false, route.ticketed ?? false);
      response = await route.run(call);
    } catch (thrown) {
      if (!(thrown instanceof WaysideError)) journal.error(`${raw.method} ${context.req.path}: ${described(thrown)}`);
      response = await refusal(call, asWaysideError(thrown), options.answersWhole ?? false);
    }
    const origin = access.allowedOrigin(raw);
    if (origin !== undefined) openTo(response, origin);
    return response;
  };

  for (const route of routes) for (const path of pathsOf(route)) app.on(route.method, path, (context) => answer(context, route));
  app.notFound((context) => {
    const { raw } = context.req;
    const allowed = METHODS.filter((method) => app.router.match(method, context.req.path)[0].length > 0);
    const origin = access.allowedOrigin(raw);
    if (raw.method === 'OPTIONS' && allowed.length > 0 && origin !== undefined) return preflight(raw, allowed, origin);
    return answer(context, { open: !context.req.path.startsWith('/v1'), run: () => nothingHere(allowed, raw.method, context.req.path) });
  });

  const newId = () => random.u32().toString(36) + random.u32().toString(36);
  const doorTo = (to: Broker, its: Timers, fetch: Door['fetch']): Door => {
    const dispatch = (call: InnerCall) => fetch(call.request, call);
    const sessions = new Sessions(clock, its);
    return { fetch, frames: new Frames({ broker: to, limits, journal, clock, timers: its, sessions, dispatch, newId }, access) };
  };
  const own = doorTo(broker, timers, (request, env) => app.fetch(request, env as object));
  const over: Gateway['over'] = (to, its) => doorTo(to, its, (request, env) => app.fetch(request, new Over(to, env)));
  return { app, ...own, over, isStream };
}

/** What the app is called with in place of the host's `env`, where another broker is to answer. */
class Over {
  readonly broker: Broker;
  readonly env: unknown;

  constructor(broker: Broker, env: unknown) {
    this.broker = broker;
    this.env = env;
  }
}

const METHODS: readonly Method[] = ['GET', 'PUT', 'POST', 'PATCH', 'DELETE'];

function pathsOf({ where, path }: Route): string[] {
  if (where === 'root') return [path];
  return where === 'version' ? [`/v1${path}`] : [`/v1${path}`, `/v1/namespaces/:namespace${path}`];
}

function nothingHere(allowed: readonly Method[], method: string, path: string): Response {
  if (allowed.length === 0)
    throw new WaysideError('NOT_FOUND', `There is nothing at ${path.slice(0, 200)}. /openapi.json names every call.`);
  const names: string[] = allowed.includes('GET') ? [...allowed, 'HEAD'] : [...allowed];
  const { status, headers, body } = problemOf(
    new WaysideError('METHOD_NOT_ALLOWED', `${method.slice(0, 20)} is not one of ${names.join(', ')}, which this path takes.`),
  );
  return new Response(body, { status, headers: { ...headers, Allow: names.join(', ') } });
}

async function refusal(call: Call, error: WaysideError, answersWhole: boolean): Promise<Response> {
  const { status, headers, body } = problemOf(error);
  const { request } = call;
  const unread = !call.bodyRead && request.method !== 'GET' && request.method !== 'HEAD' && mayHaveBody(request);
  if (unread && answersWhole) await drainedSoon(request);
  if (!unread || answersWhole) return new Response(body, { status, headers });
  const bytes = new TextEncoder().encode(body);
  return new Response(drained(request, bytes), { status, headers: { ...headers, 'Content-Length': String(bytes.length) } });
}

function mayHaveBody(request: Request): boolean {
  const length = request.headers.get('content-length');
  return length === null ? request.headers.has('transfer-encoding') : length !== '0';
}

/** The answer may be read by pages of that origin. */
function openTo(response: Response, origin: string): void {
  response.headers.set('Access-Control-Allow-Origin', origin);
  response.headers.set('Access-Control-Expose-Headers', '*');
  response.headers.set('Cross-Origin-Resource-Policy', 'cross-origin');
  response.headers.append('Vary', 'Origin');
}

function preflight(request: Request, allowed: readonly Method[], origin: string): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'Access-Control-Allow-Origin': origin,
      'Access-Control-Allow-Methods': allowed.join(', '),
      'Access-Control-Allow-Headers': request.headers.get('access-control-request-headers') ?? 'Authorization, Content-Type',
      'Access-Control-Max-Age': '600',
      Vary: 'Origin, Access-Control-Request-Headers',
    },
  });
}
