/** WebSockets by hand: bytes as a client that keeps no rules would send them, and the close frame that answers. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';

/** A handshake by hand. @returns what came back, to the end of the head, and the connection */
export async function handshake(
  server: { readonly url: string },
  lines: string[],
  protocol: string | null = 'wayside.json.v1',
): Promise<{ head: string; socket: Socket }> {
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => undefined);
  const head = [
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: d2F5c2lkZSBhY2NlcHQgIQ==',
    ...(protocol === null ? [] : [`Sec-WebSocket-Protocol: ${protocol}`]),
    ...lines.filter((line) => !/^[A-Z]+ \//.test(line)),
  ];
  if (!lines.some((line) => /^host:/i.test(line))) head.push(`Host: 127.0.0.1:${port}`);
  const request = lines.find((line) => /^[A-Z]+ \//.test(line)) ?? 'GET /v1/ws HTTP/1.1';
  socket.write(`${[request, ...head].join('\r\n')}\r\n\r\n`);
  let text = '';
  while (!text.includes('\r\n\r\n')) {
    const [data] = (await once(socket, 'data')) as [Buffer];
    text += data.toString('latin1');
  }
  return { head: text, socket };
}

/** A frame as a client sends it, masked with zeros. */
export function masked(data: Buffer, { opcode = 1, fin = true }: { opcode?: number; fin?: boolean } = {}): Buffer {
  const head = [(fin ? 0x80 : 0) | opcode];
  if (data.length < 126) head.push(0x80 | data.length);
  else if (data.length < 65_536) head.push(0xfe, data.length >> 8, data.length & 255);
  else head.push(0xff, 0, 0, 0, 0, data.length >>> 24, (data.length >>> 16) & 255, (data.length >>> 8) & 255, data.length & 255);
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), data]);
}

/** The code of the close frame that comes; undefined where the connection ends without one. */
export function closeCode(socket: Socket): Promise<number | undefined> {
  let bytes = Buffer.alloc(0);
  return new Promise((resolve) => {
    socket.on('close', () => resolve(undefined));
    socket.on('data', (data) => {
      bytes = Buffer.concat([bytes, data]);
      const code = codeIn(bytes);
      if (code === undefined) return;
      resolve(code);
      socket.destroy();
    });
  });
}

/** Of the first close frame among whole frames. */
function codeIn(bytes: Buffer): number | undefined {
  for (let at = 0; at + 4 <= bytes.length; ) {
    let size = bytes[at + 1]! & 127;
    let from = at + 2;
    if (size === 126) {
      size = bytes.readUInt16BE(from);
      from += 2;
    }
    if ((bytes[at]! & 15) === 8) return bytes.readUInt16BE(from);
    at = from + size;
  }
  return undefined;
}
