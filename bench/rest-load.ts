/** Sends one request after another over each of some connections for a while; says how many a second were answered with 2xx. */
import { connect } from 'node:net';

const [port, path, connections, ms] = process.argv.slice(2);
const body = Buffer.alloc(128, 'x');
const request = Buffer.concat([
  Buffer.from(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`),
  body,
]);
let answered = 0;
let over = false;

const startedAt = performance.now();
await Promise.all(Array.from({ length: Number(connections) }, open));
process.send?.(answered / ((performance.now() - startedAt) / 1000), () => process.disconnect());

function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(request));
    let seen = '';
    socket.setNoDelay(true);
    socket.on('error', reject);
    socket.on('data', (data) => {
      seen += data.toString('latin1');
      const head = seen.indexOf('\r\n\r\n');
      if (head < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(seen)?.[1]);
      if (!(seen.length >= head + 4 + length)) return;
      if (!seen.startsWith('HTTP/1.1 2')) reject(new Error(seen));
      seen = '';
      answered++;
      if (!over) socket.write(request);
      else {
        socket.destroy();
        resolve();
      }
    });
    setTimeout(() => {
      over = true;
    }, Number(ms)).unref();
  });
}
