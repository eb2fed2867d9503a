/**
 * `wayside bench`: what the broker at an address does for this client, over the SDK.
 *
 * Holds: it works on stations of its own, made for it and removed after it, also after Ctrl-C.
 * Elsewhere: the loops (bench/drive.ts), what each workload does (bench/workloads.ts), how peers compare (`npm run bench`).
 */
import { WORKLOADS } from './bench/workloads.ts';
import { defineCommand } from './command.ts';
import type { Cell } from './table.ts';
import { shownBytes, shownNumber } from './units.ts';

const COLUMNS = [
  { title: 'workload', ink: 'bold' },
  { title: 'messages', align: 'right' },
  { title: 'messages/s', align: 'right' },
  { title: 'bytes/s', align: 'right' },
  { title: 'p50 ms', align: 'right' },
  { title: 'p99 ms', align: 'right' },
  { title: 'what the times are of', ink: 'dim', shrinks: true },
] as const;

export const command = defineCommand({
  name: 'bench',
  summary: 'Measure a broker.',
  about:
    'Publishes and consumes as fast as one client can, on stations of its own, which are removed afterwards. Client and broker share what they run on: the figures are of both. To compare with other brokers, run npm run bench in a checkout.',
  options: {
    workload: {
      type: 'text',
      choices: ['publish', 'consume', 'latency'],
      many: true,
      help: 'publish in batches; consume through a group with an ack for each message; latency from publishing to delivery at a fixed rate.',
      without: 'all of them',
    },
    size: { type: 'size', default: '128', min: 4, max: 1024 * 1024, help: 'Payload bytes of a message.' },
    batch: {
      type: 'count',
      default: '100',
      min: 1,
      max: 10_000,
      help: 'Messages of a call; with 1 each is a call of its own, gathered by the client.',
    },
    producers: {
      type: 'count',
      default: '1',
      min: 1,
      max: 64,
      help: 'How many publish at once, each with 1,000 messages under way (one batch where it is larger).',
    },
    seconds: { type: 'number', default: '5', min: 0.1, max: 3600, help: 'How long to publish, and to measure latency.' },
    messages: { type: 'count', default: '100k', min: 1, max: 100_000_000, help: 'How many to consume.' },
    rate: { type: 'count', default: '1000', min: 1, max: 100_000, help: 'Messages a second for latency.' },
    durability: {
      type: 'text',
      choices: ['synced', 'local', 'buffered', 'memory'],
      help: 'What an answer promises.',
      without: 'the strongest that the broker gives',
    },
  },
  examples: [
    { line: 'wayside bench', says: 'Messages of 128 bytes, all workloads.' },
    { line: 'wayside bench --workload publish --size 1KiB --producers 4', says: 'Four producers, messages of a KiB.' },
    { line: 'wayside bench --workload latency --rate 10k --durability buffered --json', says: 'Latency at 10,000 a second, for a script.' },
  ],
  ends: true,
  async run({ options, out, connect, signal, url }) {
    const wayside = connect();
    const { runtime, version } = await wayside.health();
    const wanted = options.workload.length === 0 ? (['publish', 'consume', 'latency'] as const) : [...new Set(options.workload)];
    const results = [];
    const rows: Cell[][] = [];
    for (const [place, name] of wanted.entries()) {
      if (signal.aborted) break;
      const begun = performance.now();
      const line = out.progress(() => `${place + 1} of ${wanted.length}: ${name} · ${((performance.now() - begun) / 1000).toFixed(0)} s`);
      const station = wayside.station(`bench-${crypto.randomUUID()}`);
      try {
        const { durability } = await station.create({ ...(options.durability && { durability: options.durability }) });
        const { messages, seconds, p50, p99, of } = await WORKLOADS[name]({ wayside, station, signal, ...options });
        // Interrupted before anything was measured.
        if (messages === 0) continue;
        const perSecond = messages / seconds;
        results.push({
          workload: name,
          durability,
          messages,
          seconds,
          perSecond,
          bytesPerSecond: perSecond * options.size,
          p50Ms: p50,
          p99Ms: p99,
        });
        const times = [p50, p99].map((ms) => (ms === undefined ? '' : ms.toFixed(2)));
        rows.push([
          `${name}, ${durability}`,
          shownNumber(messages),
          shownNumber(perSecond),
          shownBytes(perSecond * options.size),
          ...times,
          of,
        ]);
      } finally {
        line.stop();
        await station.remove();
      }
    }
    const { size, batch, producers } = options;
    if (out.json) return out.value({ url, runtime, version, size, batch, producers, results });
    out.note(`${url} · Wayside ${version} on ${runtime} · ${shownBytes(size)} a message\n`);
    if (rows.length > 0) out.table(COLUMNS, rows);
  },
});
