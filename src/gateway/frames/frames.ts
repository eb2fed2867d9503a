/**
 * The door to sessions: who may open one, in which subprotocol, and everyone's common end.
 *
 * Holds: an upgrade is judged before it is made, as any other call is: `Host` and `Origin` where no token is configured,
 * else a header or a ticket, else what the hello brings. A credential that is wrong is told in the session (4401), since
 * a browser is told nothing of a refused upgrade.
 */
import { WaysideError } from '../../core/errors.ts';
import { isName } from '../../core/limits.ts';
import type { FrameProtocol } from '../../protocol/frames.ts';
import { FRAME_PROTOCOLS } from '../../protocol/frames.ts';
import { described } from '../problem.ts';
import type { Access, Asked } from '../rest/access.ts';
import { CODECS } from './codec.ts';
import type { DirectLink } from './direct.ts';
import { directLink } from './direct.ts';
import type { FrameService } from './service.ts';
import { Session } from './session.ts';
import type { Wire } from './socket.ts';
import { FrameSocket } from './socket.ts';

/** An upgrade that may be made. */
export interface Upgrade {
  readonly protocol: FrameProtocol;
  /** Its messages are binary; else they are text. */
  readonly isBinary: boolean;
  /** Once it is made. */
  open(wire: Wire): FrameSocket;
}

export class Frames {
  readonly #service: FrameService;
  readonly #access: Access;

  constructor(service: FrameService, access: Access) {
    this.#service = service;
    this.#access = access;
  }

  /**
   * @param path of the request, as it stood on the wire
   * @throws FORBIDDEN · NOT_FOUND · INVALID_NAME · INVALID_REQUEST it offers no subprotocol that is known
   */
  upgrade(asked: Asked, path: string): Upgrade {
    const credential = this.#access.judge(asked);
    const namespace = namespaceOf(path);
    const protocol = chosen(asked.headers.get('sec-websocket-protocol'));
    const report = (thrown: unknown) => this.#service.journal.error(`A frame: ${described(thrown)}`);
    const admits = (token: string | undefined) => (token === undefined ? credential === 'given' : this.#access.admits(token));
    return {
      protocol,
      isBinary: CODECS[protocol].isBinary,
      open: (wire) =>
        new FrameSocket(CODECS[protocol], wire, report, (peer) => {
          const session = new Session(this.#service, peer, { namespace, admits });
          this.#service.sessions.add(session, true);
          return session;
        }),
    };
  }

  /** A session of this very process, which may do everything: its hello needs no token. */
  link(namespace = 'default'): DirectLink {
    return directLink((peer) => {
      const session = new Session(this.#service, peer, { namespace, admits: () => true });
      this.#service.sessions.add(session, false);
      return session;
    });
  }

  /** Tells every peer to go elsewhere; resolves when each call that was under way has its answer. */
  goaway(afterMs: number): Promise<void> {
    return this.#service.sessions.goaway(afterMs);
  }

  /** Ends every session with 1012. */
  end(): void {
    this.#service.sessions.end();
  }
}

function namespaceOf(path: string): string {
  const [found, namespace] = /^\/v1(?:\/namespaces\/([^/]*))?\/ws$/.exec(path) ?? [];
  if (found === undefined) throw new WaysideError('NOT_FOUND', `There is no WebSocket at ${path.slice(0, 200)}; it is at /v1/ws.`);
  if (namespace === undefined) return 'default';
  if (isName(namespace)) return namespace;
  throw new WaysideError('INVALID_NAME', 'The namespace in the path is no name: 1 to 128 of a-z A-Z 0-9 . _ -, not starting with a dot.', {
    field: 'namespace',
  });
}

/** Ours, of those that were offered. */
function chosen(header: string | null): FrameProtocol {
  const offered = (header ?? '').split(',').map((name) => name.trim());
  const protocol = FRAME_PROTOCOLS.find((known) => offered.includes(known));
  if (protocol !== undefined) return protocol;
  throw new WaysideError('INVALID_REQUEST', `Offer a subprotocol that is spoken here: ${FRAME_PROTOCOLS.join(' or ')}.`, {
    field: 'Sec-WebSocket-Protocol',
  });
}
