/**
 * `wayside peek`: messages of a station, without a group.
 *
 * Holds: nothing is taken, and nobody's position moves.
 * Elsewhere: how a message looks (format.ts).
 */
import type { Place, ReadOptions, Station, StoredMessage } from '../client/index.ts';
import type { Context, Options } from './command.ts';
import { defineCommand, Usage } from './command.ts';
import type { Format } from './format.ts';
import { FORMAT_ABOUT, FORMAT_HELP, makeFormat } from './format.ts';
import { placeText } from './units.ts';

const OPTIONS = {
  from: { type: 'place', help: 'The first one to show.', without: 'start; with --follow end' },
  last: { type: 'count', short: 'n', min: 1, value: 'N', help: 'The last so many instead, the newest at the end.' },
  partition: { type: 'count', short: 'p', help: 'Only of this one.', without: 'all' },
  limit: { type: 'count', min: 1, help: 'So many at most.', without: '10; with --follow all' },
  follow: { type: 'flag', short: 'f', help: 'Go on with what comes.' },
  format: { type: 'text', value: 'FORMAT', without: 'pretty at a terminal, else raw', help: FORMAT_HELP },
} as const satisfies Options;

export const command = defineCommand({
  name: 'peek',
  summary: 'Look at messages without a group: nothing is taken.',
  about: `In each partition the messages come in order; of several partitions they come as they are read.\n\n${FORMAT_ABOUT}`,
  words: [{ name: 'STATION', help: 'The name of the station.', complete: 'station' }],
  options: OPTIONS,
  examples: [
    { line: 'wayside peek orders', says: 'The first ten.' },
    { line: 'wayside peek orders --last 5', says: 'The newest five.' },
    { line: 'wayside peek orders --follow', says: 'What comes from now on, until Ctrl-C.' },
    { line: "wayside peek orders --from 1h --limit 1M --format '{time} {payload.total}'", says: 'The last hour, by a template.' },
  ],
  ends: true,
  async run(context) {
    const { options, words, out, connect, signal } = context;
    const { last, from, follow } = options;
    if (last !== undefined && (from !== undefined || options.limit !== undefined))
      throw new Usage('--last says by itself where to begin and how many.');
    const how = out.json ? 'json' : (options.format ?? (out.isTerminal ? 'pretty' : 'raw'));
    const station = connect().station(words[0] ?? '');
    const peek = new Peek(station, makeFormat(how, out.paint, out.isTerminal), context);
    const shown = await (last === undefined ? peek.from(from ?? (follow ? 'end' : 'start')) : peek.last(last));
    if (shown === 0 && !signal.aborted) out.note('There is nothing to show.');
  },
});

const LIMIT = 10;
const TOGETHER_MAX = 500;

class Peek {
  readonly #station: Station<unknown>;
  readonly #format: Format;
  readonly #context: Context<typeof OPTIONS>;

  constructor(station: Station<unknown>, format: Format, context: Context<typeof OPTIONS>) {
    this.#station = station;
    this.#format = format;
    this.#context = context;
  }

  /** @returns messages shown */
  from(from: Place): Promise<number> {
    const { partition, limit, follow } = this.#context.options;
    const most = limit ?? (follow ? undefined : LIMIT);
    return this.#show({
      from: placeText(from),
      follow,
      ...(partition !== undefined && { partition }),
      ...(most !== undefined && { limit: most }),
    });
  }

  /** Of each partition as many as may be among the newest, and of those the newest; then what comes behind them. */
  async last(count: number): Promise<number> {
    const { options, out } = this.#context;
    const { counts } = await this.#station.info();
    const asked = counts.filter(({ partition }) => options.partition === undefined || options.partition === partition);
    if (asked.length === 0)
      throw new Usage(`Station ${this.#station.name} has no partition ${options.partition}: it has ${counts.length}.`);
    const found: StoredMessage<unknown>[] = [];
    for (const { partition, first, last } of asked) {
      const from = Math.max(1, first, last - count + 1);
      if (from > last) continue;
      // Where messages went meanwhile, others may come that are shown below.
      for await (const message of this.#station.read({ partition, from, limit: count })) if (message.sequence <= last) found.push(message);
    }
    const newest = found.sort((one, other) => one.producedAt - other.producedAt).slice(-count);
    for (const message of newest) out.write(this.#format(message));
    if (!options.follow) return newest.length;
    // Each from its own place, so that nothing between is left out.
    const shown = await Promise.all(asked.map(({ partition, last }) => this.#show({ partition, from: last + 1, follow: true })));
    return shown.reduce((sum, each) => sum + each, newest.length);
  }

  async #show(where: Pick<ReadOptions, 'partition' | 'from' | 'follow' | 'limit'>): Promise<number> {
    const { out, signal } = this.#context;
    let shown = 0;
    try {
      for await (const message of this.#station.read({ ...where, signal })) {
        out.write(this.#format(message));
        shown++;
        if (where.follow || shown % TOGETHER_MAX === 0) await out.flush();
        if (signal.aborted) break;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return shown;
  }
}
