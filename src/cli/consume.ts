/**
 * `wayside consume`: messages of a group, printed and then acked.
 *
 * Holds: a message is acked when its line is with the system, never before; what was taken and not printed goes back, and
 * does not count as delivered; an ack that came too late is said, since its message comes again.
 * Elsewhere: leases, credit and ranges of acks (the SDK), how a message looks (format.ts).
 */
import type { Group, Message, Messages } from '../client/index.ts';
import type { Context, Options } from './command.ts';
import { defineCommand, Usage } from './command.ts';
import { FORMAT_ABOUT, FORMAT_HELP, makeFormat } from './format.ts';
import { BrokenPipe } from './output.ts';
import { counted, placeText } from './units.ts';

const OPTIONS = {
  group: {
    type: 'text',
    short: 'g',
    value: 'GROUP',
    without: 'needed',
    help: 'The group; it is made if it is not there.',
    complete: 'group',
  },
  follow: { type: 'flag', short: 'f', help: 'Wait for more when everything was read.' },
  max: { type: 'count', short: 'n', min: 1, help: 'Messages at most.', without: 'all' },
  format: { type: 'text', value: 'FORMAT', without: 'pretty at a terminal, else raw', help: FORMAT_HELP },
  timeout: { type: 'duration', help: 'End when nothing has come for so long.', without: '10s; with --follow never' },
  from: { type: 'place', help: 'Where the group begins, if this makes it.', without: 'start' },
  noAck: { type: 'flag', help: 'Only show: everything goes back to the group at the end.' },
  consumer: { type: 'text', value: 'NAME', without: 'a new name', help: 'Who takes them, as `group pending` shows it.' },
  lease: { type: 'duration', min: 1000, max: 43_200_000, help: 'How long a message is kept from others.', without: "the group's" },
} as const satisfies Options;

export const command = defineCommand({
  name: 'consume',
  summary: 'Take messages from a group and ack them as they are printed.',
  about: `Ends when the group has nothing more to give; with --follow it waits for more. Ctrl-C gives back what was not printed.\n\n${FORMAT_ABOUT}`,
  words: [{ name: 'STATION', help: 'The name of the station.', complete: 'station' }],
  options: OPTIONS,
  examples: [
    { line: 'wayside consume orders --group billing', says: 'Everything that billing has still to get.' },
    { line: 'wayside consume orders --group billing --follow --json | jq .payload.total', says: 'As they come, for another program.' },
    { line: "wayside consume orders --group audit --max 10 --format '{sequence} {key} {payload.total}'", says: 'Ten, by a template.' },
  ],
  ends: true,
  async run(context) {
    const { options, words, connect, out, signal } = context;
    if (options.group === undefined) throw new Usage('--group is missing: whose messages to take. `wayside peek` looks without one.');
    const station = connect().station(words[0] ?? '');
    // A station that is not there is said at once, not waited for.
    await station.info();
    const group = station.group(options.group);
    const lost: unknown[] = [];
    const messages = group.messages({
      prefetch: { messages: Math.min(options.max ?? PREFETCH_MAX, PREFETCH_MAX) },
      onLost: (_, error) => {
        lost.push(error);
      },
      ...(options.consumer !== undefined && { consumer: options.consumer }),
      ...(options.lease !== undefined && { leaseMs: options.lease }),
      ...(options.from !== undefined && { startAt: placeText(options.from) }),
    });
    let printed = 0;
    try {
      printed = await print(context, group, messages);
    } catch (error) {
      if (!(error instanceof BrokenPipe)) throw error;
    } finally {
      await messages.stop();
    }
    if (lost.length > 0) out.warn(`${counted(lost.length, 'ack')} came too late: those messages come again. A longer --lease helps.`);
    if (printed === 0 && !signal.aborted) out.note(options.follow ? 'Nothing came.' : `${options.group} has nothing to get.`);
  },
});

const PREFETCH_MAX = 1000;
/** How long it is quiet before the group is asked whether there is more. */
const QUIET_MS = 300;
const TIMEOUT_MS = 10_000;
/** Printed together: each round trip to the system costs more than a message. */
const TOGETHER_MAX = 500;

/** @returns messages printed (and acked, unless they are only shown) */
async function print(context: Context<typeof OPTIONS>, group: Group<unknown>, messages: Messages<unknown>): Promise<number> {
  const { options, out, signal } = context;
  const format = makeFormat(out.json ? 'json' : (options.format ?? (out.isTerminal ? 'pretty' : 'raw')), out.paint, out.isTerminal);
  const max = options.max ?? Number.POSITIVE_INFINITY;
  const timeoutMs = options.timeout ?? (options.follow ? Number.POSITIVE_INFINITY : TIMEOUT_MS);
  const arrivals = new Arrivals(messages);
  let printed = 0;
  let quietSince = performance.now();
  while (printed < max && !signal.aborted) {
    const taken = arrivals.take(Math.min(TOGETHER_MAX, max - printed));
    if (taken.length > 0) {
      for (const message of taken) out.write(format(message));
      await out.flush();
      if (!options.noAck) for (const message of taken) void message.ack();
      printed += taken.length;
      quietSince = performance.now();
      continue;
    }
    if (arrivals.isOver) break;
    const quietMs = performance.now() - quietSince;
    if (quietMs >= timeoutMs) break;
    if (!options.follow && quietMs >= QUIET_MS && (await isDrained(group, messages.consumer, options.noAck ? printed : 0))) break;
    await arrivals.wait(Math.min(timeoutMs - quietMs, options.follow ? Number.POSITIVE_INFINITY : QUIET_MS), signal);
  }
  return printed;
}

/** Nothing is left to get, and nothing is on its way here; what others have out may come back, but is theirs now. */
async function isDrained(group: Group<unknown>, consumer: string, kept: number): Promise<boolean> {
  const { unread, members } = await group.info();
  const ours = members.find((member) => member.consumer === consumer)?.inFlight ?? 0;
  return unread === 0 && ours <= kept;
}

/** What a subscription has given and nobody has taken yet, with a way to wait that can be left. */
class Arrivals {
  readonly #source: AsyncIterator<Message<unknown>>;
  readonly #arrived: Message<unknown>[] = [];
  #wake: (() => void) | undefined;
  #error: unknown;
  #isAsking = false;
  isOver = false;

  constructor(messages: Messages<unknown>) {
    this.#source = messages[Symbol.asyncIterator]();
    this.#ask();
  }

  /** @throws what the subscription ended with */
  take(max: number): Message<unknown>[] {
    const taken = this.#arrived.splice(0, max);
    if (taken.length === 0 && this.#error !== undefined) throw this.#error;
    this.#ask();
    return taken;
  }

  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#arrived.length > 0 || this.isOver || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = Number.isFinite(ms) ? setTimeout(() => end(), ms) : undefined;
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      signal.addEventListener('abort', end);
      this.#wake = end;
    });
  }

  /** Asks ahead only for as many as are printed together: what is not asked for can go back uncounted. */
  #ask(): void {
    if (this.#isAsking || this.isOver || this.#arrived.length >= TOGETHER_MAX) return;
    this.#isAsking = true;
    this.#source.next().then(
      ({ done, value }) => {
        this.#isAsking = false;
        if (done) this.isOver = true;
        else this.#arrived.push(value);
        this.#wake?.();
        this.#ask();
      },
      (error: unknown) => {
        this.#isAsking = false;
        this.isOver = true;
        this.#error = error;
        this.#wake?.();
      },
    );
  }
}
