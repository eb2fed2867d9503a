/**
 * A link: whatever carries frames to one broker and back, in order. The SDK's own is a WebSocket (websocket.ts); an
 * embedded broker, a MessagePort or a test brings another.
 *
 * Holds: frames are plain objects on both ends.
 */
import type { ClientFrame, ServerFrame } from '../../protocol/frames.ts';

/** One connection, open. The SDK sets `onFrame` and `onClose` as soon as it has the link, and says hello. */
export interface Link {
  /** Takes a frame to the broker. The bytes in it stay as they are until it has been carried. */
  send(frame: ClientFrame): void;
  /** Called with each frame that comes, in order. */
  onFrame: ((frame: ServerFrame) => void) | undefined;
  /** Called once, when the link has ended for whatever reason; no frame comes after it. */
  onClose: ((end: LinkEnd) => void) | undefined;
  /** Ends the link. `onClose` may be called. */
  close(): void;
  /** Bytes that were sent and have not left yet. */
  buffered(): number;
}

/** Why a link has ended. */
export interface LinkEnd {
  /** As a WebSocket's close code: 4401 for a credential that does not do (API.md §7). */
  readonly code?: number | undefined;
  /** In a few words, for people. */
  readonly reason?: string | undefined;
}
