/**
 * /openapi.json, drawn from the routes and from the schemas that validate their calls.
 *
 * Holds: a call that is served is in it, with its parameters, bodies, answers and codes; it is made once, when first asked for.
 */
import * as z from 'zod';
import type { Code } from '../../core/errors.ts';
import { CODES } from '../../core/errors.ts';
import type { Schemas } from '../../protocol/schemas.ts';
import { PROBLEM_TYPE } from '../problem.ts';
import { json } from './answer.ts';
import type { Parameter } from './query.ts';
import type { AnswerForm, BodyForm, Route } from './route.ts';

type Json = Record<string, unknown>;

export function openapiRoute(routes: readonly Route[], schemas: Schemas, version: string): Route {
  let document: Json | undefined;
  return {
    method: 'GET',
    path: '/openapi.json',
    where: 'root',
    topic: 'Service',
    id: 'openapi',
    summary: 'This description',
    answers: { 200: { about: 'OpenAPI 3.1.' } },
    codes: [],
    open: true,
    run: () => {
      document ??= describe(routes, schemas, version);
      return json(document);
    },
  };
}

function describe(routes: readonly Route[], schemas: Schemas, version: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    if (route.where === 'root') continue;
    for (const root of route.where === 'version' ? ['/v1'] : ['/v1', '/v1/namespaces/:namespace']) {
      const path = `${root}${route.path}`.replaceAll(/:(\w+)/g, '{$1}');
      const item = paths[path] ?? {};
      paths[path] = item;
      item[route.method.toLowerCase()] = operation(route, path, root !== '/v1');
    }
  }
  const topics = [...new Set(routes.filter((route) => route.where !== 'root').map((route) => route.topic))];
  return {
    openapi: '3.1.1',
    info: {
      title: 'Wayside',
      version,
      summary: 'An event broker that runs wherever JavaScript runs.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: topics.map((name) => ({ name })),
    security: [{ token: [] }, {}],
    paths,
    components: {
      schemas: { Problem: schemaOf(schemas.problem, 'output') },
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Where the server has a token.' } },
    },
  };
}

function operation(route: Route, path: string, namespaced: boolean): Json {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => pathParameter(name));
  const query = Object.entries(route.query ?? {}).map(([name, parameter]) => queryParameter(name, parameter));
  const headers = Object.entries(route.headers ?? {}).map(([name, description]) => ({
    name,
    in: 'header',
    description,
    schema: { type: 'string' },
  }));
  const parameters = [...names, ...query, ...headers];
  return {
    operationId: namespaced ? `${route.id}InNamespace` : route.id,
    tags: [route.topic],
    summary: route.summary,
    ...(route.about ? { description: route.about } : {}),
    ...(route.open ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body ? { requestBody: requestBody(route.body) } : {}),
    responses: responses(route),
  };
}

function pathParameter(name: string): Json {
  const number = name === 'partition' || name === 'sequence';
  const schema = number
    ? { type: 'integer', minimum: name === 'partition' ? 0 : 1 }
    : name === 'id'
      ? { type: 'string' }
      : { type: 'string', pattern: '^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$' };
  return { name, in: 'path', required: true, schema };
}

function queryParameter(name: string, parameter: Parameter): Json {
  const schema =
    parameter.kind === 'whole'
      ? { type: 'integer', minimum: parameter.min, ...(parameter.max < Number.MAX_SAFE_INTEGER ? { maximum: parameter.max } : {}) }
      : parameter.kind === 'choice'
        ? { type: 'string', enum: parameter.choices }
        : { type: 'string' };
  return { name, in: 'query', description: parameter.about, ...(parameter.required ? { required: true } : {}), schema };
}

function requestBody(body: BodyForm): Json {
  const content: Record<string, Json> = {};
  const example = body.example === undefined ? {} : { example: body.example };
  if (body.json) content['application/json'] = { schema: schemaOf(body.json, 'input'), ...example };
  for (const [type, description] of Object.entries(body.types ?? {}))
    content[type] = { schema: { description }, ...(body.json ? {} : example) };
  return { required: !body.optional, content };
}

function responses(route: Route): Json {
  const answers: Record<string, Json> = {};
  for (const [status, form] of Object.entries(route.answers)) answers[status] = response(form);
  for (const [status, codes] of Object.entries(byStatus(route))) {
    answers[status] = {
      description: codes.map((code) => `\`${code}\`: ${CODES[code][1]}.`).join(' '),
      content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' }, example: problemExample(codes[0]!) } },
    };
  }
  return answers;
}

/** Those of the route, and those that any call may get. */
function byStatus(route: Route): Record<string, Code[]> {
  const common: Code[] = route.open ? [] : ['UNAUTHENTICATED', 'FORBIDDEN', 'INTERNAL', 'STORAGE_FAILED', 'SHUTTING_DOWN'];
  const grouped: Record<string, Code[]> = {};
  for (const code of [...route.codes, ...common]) {
    const status = String(CODES[code][0]);
    grouped[status] = [...(grouped[status] ?? []), code];
  }
  return grouped;
}

function response({ about, json: schema, types = {}, headers = {}, example }: AnswerForm): Json {
  const content: Record<string, Json> = {};
  if (schema) content['application/json'] = { schema: schemaOf(schema, 'output'), ...(example === undefined ? {} : { example }) };
  for (const [type, description] of Object.entries(types)) content[type] = { schema: { description } };
  return {
    description: about,
    ...(Object.keys(headers).length > 0
      ? {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
          ),
        }
      : {}),
    ...(Object.keys(content).length > 0 ? { content } : {}),
  };
}

function problemExample(code: Code): Json {
  const [status, title] = CODES[code];
  return { type: `urn:wayside:problem:${code}`, title, status, detail: '…', code };
}

/** Bounds that only say "a safe number" are left out: they hold everywhere, and hide the ones that matter. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...drawn } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      // Answers may gain fields.
      if (io === 'output') delete jsonSchema.additionalProperties;
    },
  });
  return drawn;
}
