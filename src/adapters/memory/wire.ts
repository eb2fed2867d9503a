/**
 * The connections of clients to a broker in the same process, and what a test may do to them.
 *
 * Holds: a connection that is cut takes what was under way with it, in both directions, as one over a network would; a
 * failure that was asked for is given to one call, which the broker never sees.
 * Elsewhere: the session at the other end (gateway/frames), connecting again (client/).
 */
import type { Link } from '../../client/frames/link.ts';
import type { Code } from '../../core/errors.ts';
import type { DirectLink } from '../../gateway/frames/direct.ts';
import type { ClientFrame } from '../../protocol/frames.ts';

/** What a client asks of its broker: `call` is everything but messages (stations, groups, dead letters, reading). */
export type Operation = 'produce' | 'fetch' | 'subscribe' | 'ack' | 'nack' | 'reject' | 'extend' | 'call';

/** As when a network drops a connection. */
const CUT = { code: 1006, reason: 'disconnected by the test' };

export class Wire {
  readonly #start: (namespace: string | undefined) => DirectLink;
  readonly #cuts = new Set<() => void>();
  readonly #failures: { readonly op: Operation; readonly error: { code: Code; detail: string; retryAfterMs?: number } }[] = [];

  /** @param start a new session with the broker */
  constructor(start: (namespace: string | undefined) => DirectLink) {
    this.#start = start;
  }

  /** A connection more. */
  open(namespace: string | undefined): Link {
    const direct = this.#start(namespace);
    let isOpen = true;
    const end = (reason: { code: number; reason: string }) => {
      if (!isOpen) return;
      isOpen = false;
      this.#cuts.delete(cut);
      link.onClose?.(reason);
    };
    const cut = () => {
      direct.close();
      end(CUT);
    };
    this.#cuts.add(cut);
    direct.onFrame = (frame) => {
      if (isOpen) link.onFrame?.(frame);
    };
    direct.onClose = (code, reason) => end({ code, reason });
    const link: Link = {
      onFrame: undefined,
      onClose: undefined,
      send: (frame) => {
        const error = this.#failureOf(frame);
        if (error === undefined) direct.send(frame);
        else queueMicrotask(() => isOpen && link.onFrame?.({ id: (frame as { id: number }).id, error }));
      },
      close: () => direct.close(),
      buffered: () => direct.buffered(),
    };
    return link;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const cut of [...this.#cuts]) cut();
  }

  failNext(op: Operation, code: Code, detail: string): void {
    this.#failures.push({ op, error: { code, detail } });
  }

  #failureOf({ op }: ClientFrame) {
    const at = this.#failures.findIndex((failure) => failure.op === op);
    return at < 0 ? undefined : this.#failures.splice(at, 1)[0]?.error;
  }
}
