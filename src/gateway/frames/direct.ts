/**
 * A session without a wire: frames as objects, handed over by function calls in this process.
 *
 * Holds: what one side sends reaches the other in a later microtask, in order, so that neither is called from within its
 * own call; closing either end closes the other, once. Frames are handed over as they are: a batch that was sent, and
 * records that came, are shared with the broker, and nobody changes them.
 */
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';
import { plain } from './outgoing.ts';
import type { Peer, Session } from './session.ts';

/** The client's end. */
export interface DirectLink {
  send(frame: ClientFrame): void;
  /** Bytes that were sent and wait: none ever do. */
  buffered(): number;
  close(): void;
  onFrame: (frame: ServerFrame) => void;
  onClose: (code: number, reason: string) => void;
}

/** What a link is closed with by its own client, as WebSockets have it. */
const CLOSED_BY_CLIENT = 1000;

/** @param start makes the session at the other end */
export function directLink(start: (peer: Peer) => Session): DirectLink {
  let open = true;
  const end = (code: number, reason: string) => {
    if (!open) return;
    open = false;
    queueMicrotask(() => link.onClose(code, reason));
  };
  const session = start({
    send: (frame) => {
      const sent = plain(frame);
      queueMicrotask(() => open && link.onFrame(sent));
    },
    buffered: () => 0,
    // After the frames that were sent before.
    close: (code, reason) => queueMicrotask(() => end(code, reason)),
    pause: () => undefined,
    resume: () => undefined,
  });
  const link: DirectLink = {
    send: (frame) => queueMicrotask(() => open && session.receive(frame)),
    buffered: () => 0,
    close: () => {
      session.closed();
      end(CLOSED_BY_CLIENT, '');
    },
    onFrame: () => undefined,
    onClose: () => undefined,
  };
  return link;
}
