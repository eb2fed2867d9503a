/**
 * The reference page: /docs, and the two files that it is made of. It reads /openapi.json and nothing else.
 *
 * Holds: it works without a network, and under a policy that runs no script but its own file and loads nothing from
 * elsewhere; what it shows is set as text.
 */
import type { Route } from '../rest/route.ts';
import { html } from './html.ts';
import { script } from './script.ts';
import { style } from './style.ts';

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function pageRoutes(): Route[] {
  return [
    file('/docs', 'text/html; charset=utf-8', html),
    file('/docs/page.css', 'text/css; charset=utf-8', style),
    file('/docs/page.js', 'text/javascript; charset=utf-8', script),
  ];
}

function file(path: string, type: string, content: string): Route {
  const headers = {
    'Content-Type': type,
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  };
  return {
    method: 'GET',
    path,
    where: 'root',
    topic: 'Service',
    id: path,
    summary: 'The reference page',
    answers: { 200: { about: 'A file of the page.' } },
    codes: [],
    open: true,
    run: () => new Response(content, { headers }),
  };
}
