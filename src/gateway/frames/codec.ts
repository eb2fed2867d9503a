/** What turns frames into bytes and back, for carriers of bytes: one for each subprotocol. */
import type { FrameProtocol } from '../../protocol/frames.ts';
import { jsonCodec } from './json.ts';
import { msgpackCodec } from './msgpack.ts';
import type { Outgoing } from './outgoing.ts';

export interface Codec {
  /** Its messages are binary; else they are text. */
  readonly isBinary: boolean;
  /** A frame, or what may be one: the session judges. @throws WaysideError the bytes are none, whatever is in them */
  decode(bytes: Uint8Array): unknown;
  encode(frame: Outgoing): string | Uint8Array<ArrayBuffer>;
}

export const CODECS: Readonly<Record<FrameProtocol, Codec>> = {
  'wayside.msgpack.v1': msgpackCodec,
  'wayside.json.v1': jsonCodec,
};
