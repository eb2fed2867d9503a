/** What a request that asks for no upgrade is told at the address of the WebSocket. */
import { WaysideError } from '../../core/errors.ts';
import { FRAME_PROTOCOLS } from '../../protocol/frames.ts';
import { problemOf } from '../problem.ts';
import { text } from '../rest/query.ts';
import type { Route } from '../rest/route.ts';

export function wsRoutes(): Route[] {
  return [
    {
      method: 'GET',
      path: '/ws',
      where: 'namespace',
      topic: 'Service',
      id: 'openSocket',
      summary: 'Open a WebSocket',
      about: `Subprotocols: ${FRAME_PROTOCOLS.map((name) => `\`${name}\``).join(', ')}. The credential goes in the first frame, in a header, or as \`?ticket=\`.`,
      query: { ticket: text('In place of a credential, once.'), station: text('Lets some hosts place the socket; not needed here.') },
      answers: { 101: { about: 'Frames follow.' }, 426: { about: 'The request does not ask for a WebSocket.' } },
      codes: ['INVALID_REQUEST', 'INVALID_NAME'],
      run: () => {
        const status = 426;
        const { headers, body } = problemOf(
          new WaysideError('INVALID_REQUEST', `A WebSocket is here: upgrade, with one of the subprotocols ${FRAME_PROTOCOLS.join(', ')}.`),
        );
        return new Response(JSON.stringify({ ...JSON.parse(body), status }), {
          status,
          headers: { ...headers, Upgrade: 'websocket' },
        });
      },
    },
  ];
}
