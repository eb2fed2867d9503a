/**
 * A WebSocket for the SDK, where nobody is between the program and its broker but the network.
 *
 * Holds: as the WebSocket of the platform, bytes are taken before `send` returns. They are masked with zeros: that is what the
 * protocol's masking costs nothing with, at either end. A mask that nobody can guess keeps pages from writing what a proxy takes for a
 * request (RFC 6455, section 10.3); a program that sends what it wants has no need of it.
 */
import { WebSocket } from 'ws';

/** Give it to `connect` as `WebSocket`: less work for each byte that is sent, on both sides. */
export class TrustedWebSocket extends WebSocket {
  /** By the SDK. */
  constructor(url: string, protocols: string[]) {
    super(url, protocols, { perMessageDeflate: false, skipUTF8Validation: true, generateMask: (mask) => void mask.fill(0) });
  }

  /** Takes the bytes before it returns. */
  override send(data: Uint8Array): void {
    // Without a mask the package sends the caller's own bytes, later.
    super.send(Buffer.from(data));
  }
}
