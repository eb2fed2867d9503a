/** `wayside dead-letters …`: what groups gave up: listed, looked at, sent again, removed. */
import type { DeadLetter, DeadLetterFilter, DeadReason, Place } from '../client/index.ts';
import type { Context, Options, Values } from './command.ts';
import { defineCommand, defineNoun, Usage } from './command.ts';
import { confirm } from './confirm.ts';
import { messageJson, payloadText } from './format.ts';
import type { Cell } from './table.ts';
import { safe } from './text.ts';
import { counted, shownAgo, shownBytes, shownNumber, shownTime } from './units.ts';

const STATION = { name: 'STATION', help: 'The name of the station.', complete: 'station' } as const;
const IDS = { name: 'ID', help: 'As `dead-letters list` shows it.', many: true } as const;

const MATCH = {
  group: { type: 'text', short: 'g', value: 'GROUP', help: 'Only of this group.', without: 'all', complete: 'group' },
  reason: { type: 'text', choices: ['rejected', 'max-deliveries', 'expired', 'undeliverable'], help: 'Only those that died so.' },
  key: { type: 'text', short: 'k', value: 'KEY', help: 'Only those with this key.' },
  since: { type: 'place', help: 'Only those that died since: a time, or how long ago.' },
  until: { type: 'place', help: 'Only those that died before.' },
} as const satisfies Options;

/** @throws Usage */
function matchFrom({ group, reason, key, since, until }: Partial<Values<typeof MATCH>>): DeadLetterFilter {
  return {
    ...(group !== undefined && { group }),
    ...(reason !== undefined && { reason: reason as DeadReason }),
    ...(key !== undefined && { key }),
    ...(since !== undefined && { from: timeOf('since', since) }),
    ...(until !== undefined && { until: timeOf('until', until) }),
  };
}

function timeOf(option: string, place: Place): number {
  if (typeof place === 'object' && 'time' in place) return place.time;
  throw new Usage(`--${option} takes a time such as 2026-01-31T08:00, or how long ago such as 10m.`);
}

const list = defineCommand({
  name: 'list',
  summary: 'List the dead letters of a station.',
  words: [STATION],
  options: {
    ...MATCH,
    limit: { type: 'count', default: '100', min: 1, help: 'So many at most.' },
  },
  examples: [
    { line: 'wayside dead-letters list orders', says: 'The oldest first.' },
    { line: "wayside dead-letters list orders --json | jq -r '.error'", says: 'Why they died.' },
  ],
  async run({ options: { limit, ...match }, words: [name = ''], out, connect }) {
    const rows: Cell[][] = [];
    const now = Date.now();
    let left = limit;
    for await (const letter of lettersOf(connect, name).list(matchFrom(match))) {
      if (left-- <= 0) {
        out.note(`There are more than ${shownNumber(limit)}; --limit shows more.`);
        break;
      }
      if (out.json) out.line(letterJson(letter));
      else
        rows.push([
          letter.id,
          letter.group,
          shownNumber(letter.message.sequence),
          letter.reason,
          letter.error,
          String(letter.deliveries),
          shownAgo(letter.diedAt, now),
        ]);
    }
    if (out.json) return;
    if (rows.length === 0) return out.note('There are no dead letters.');
    out.table(
      [
        { title: 'ID', ink: 'bold' },
        { title: 'GROUP', shrinks: true },
        { title: 'SEQUENCE', align: 'right' },
        { title: 'REASON', goes: true },
        { title: 'ERROR', shrinks: true },
        { title: 'DELIVERIES', align: 'right', goes: true },
        { title: 'DIED', ink: 'dim', goes: true },
      ],
      rows,
    );
  },
});

function lettersOf(connect: Context['connect'], station: string) {
  return connect().station(station).deadLetters;
}

const show = defineCommand({
  name: 'show',
  summary: 'Show a dead letter: why it died, its deliveries, its message.',
  words: [STATION, { name: 'ID', help: IDS.help }],
  examples: [{ line: 'wayside dead-letters show orders ID', says: 'ID as `dead-letters list orders` shows it.' }],
  async run({ words: [name = '', id = ''], out, connect }) {
    const letter = await lettersOf(connect, name).get(id);
    if (out.json) return out.line(letterJson(letter));
    const { message } = letter;
    out.line(out.paint('bold', letter.id));
    out.facts([
      ['group', letter.group],
      ['died', `${shownTime(letter.diedAt)} (${shownAgo(letter.diedAt, Date.now())}), ${letter.reason}`],
      ['error', safe(letter.error)],
      ['message', `partition ${message.partition}, sequence ${shownNumber(message.sequence)}, ${shownTime(message.producedAt)}`],
      ...(message.key === undefined ? [] : [['key', safe(message.key)] as const]),
      ...(message.id === undefined ? [] : [['id', safe(message.id)] as const]),
      ...Object.entries(message.headers).map(([header, value]) => [`header ${safe(header)}`, safe(value)] as const),
      ['payload', `${shownBytes(message.bytes.length)}${message.contentType === undefined ? '' : `, ${safe(message.contentType)}`}`],
    ]);
    out.line();
    out.line(safe(payloadText(message), 'many'));
    out.line();
    out.table(
      [{ title: 'WHEN' }, { title: 'EVENT' }, { title: 'DELIVERIES', align: 'right', goes: true }, { title: 'CONSUMER', shrinks: true }],
      letter.history.map(({ at, event, deliveries, consumer }) => [shownTime(at), event, String(deliveries), consumer ?? '']),
    );
  },
});

function letterJson({ message, ...letter }: DeadLetter<unknown>): string {
  return `${JSON.stringify(letter).slice(0, -1)},"message":${messageJson(message)}}`;
}

/** A call with a rate answers after half a minute at the latest. */
const PACED_CALL_MS = 60_000;

const redrive = defineCommand({
  name: 'redrive',
  summary: 'Send dead letters again.',
  words: [STATION, { ...IDS, optional: true }],
  options: {
    all: { type: 'flag', help: 'All of the station.' },
    ...MATCH,
    to: {
      type: 'text',
      value: 'group|groups|station:NAME',
      help: 'The group that failed, all groups (as a new message), or another station.',
      default: 'group',
    },
    rate: { type: 'count', min: 1, max: 1_000_000, help: 'At most so many a second.', without: 'as fast as it goes' },
    maxRedrives: { type: 'count', min: 1, help: 'Those that were sent to their group so often stay.', without: 'no bound' },
  },
  examples: [
    { line: 'wayside dead-letters redrive orders --all', says: 'All, to the groups that gave them up.' },
    { line: 'wayside dead-letters redrive orders --all --to station:orders-retry', says: 'To another station.' },
  ],
  async run({ options, words: [name = '', ...ids], out, connect }) {
    const match = matchFrom(options);
    const ways = [options.all, ids.length > 0, Object.keys(match).length > 0].filter(Boolean).length;
    if (ways !== 1) throw new Usage('Name the dead letters to send again, or which ones (--group, --key …), or say --all.');
    const [, station] = /^station:(.+)$/.exec(options.to) ?? [];
    const { to } = options;
    if (station === undefined && to !== 'group' && to !== 'groups')
      throw new Usage(`--to is ${JSON.stringify(to)}; it takes group, groups, or station:NAME.`);
    const target = station === undefined ? (to as 'group' | 'groups') : { station };
    const which = options.all ? ({ all: true } as const) : ids.length > 0 ? { ids } : { match };
    const bounds = {
      ...(options.rate !== undefined && { ratePerSecond: options.rate }),
      ...(options.maxRedrives !== undefined && { maxRedrives: options.maxRedrives }),
    };
    const letters = connect({ timeoutMs: PACED_CALL_MS }).station(name).deadLetters;
    const done = { redriven: 0, kept: 0 };
    const progress = out.progress(() => `${counted(done.redriven, 'message')} sent again`);
    try {
      for (let left = 1; left > 0; ) {
        const part = await letters.redrive({ ...which, ...bounds }, target);
        done.redriven += part.redriven;
        done.kept = part.kept;
        // What is just being copied, or waits for its turn, goes next time.
        left = part.redriven > 0 ? part.left : 0;
      }
    } finally {
      progress.stop();
    }
    if (out.json) return out.value(done);
    out.line(`Sent ${counted(done.redriven, 'message')} again.`);
    if (done.kept > 0) out.note(`${counted(done.kept, 'message')} stayed: sent again often enough, or made by a step (--to station:NAME).`);
  },
});

const remove = defineCommand({
  name: 'remove',
  summary: 'Remove dead letters for good.',
  words: [STATION, IDS],
  options: { yes: { type: 'flag', short: 'y', help: 'Do not ask.' } },
  examples: [{ line: 'wayside dead-letters remove orders ID --yes', says: 'ID as `dead-letters list orders` shows it.' }],
  async run({ options, words: [name = '', ...ids], out, connect }) {
    await confirm(out, ids.length === 1 ? 'the dead letter' : counted(ids.length, 'dead letter'), name, options.yes);
    const letters = lettersOf(connect, name);
    for (const id of ids) await letters.remove(id);
    if (out.json) out.value({ removed: ids.length });
    else out.line(`Removed ${counted(ids.length, 'dead letter')}.`);
  },
});

export const command = defineNoun({
  name: 'dead-letters',
  summary: 'See what groups gave up, and send it again.',
  about:
    'A message that is rejected, or delivered too often, is a dead letter of its group: it keeps its bytes although the station may trim it.',
  commands: [list, show, redrive, remove],
  examples: [
    { line: 'wayside dead-letters list orders', says: 'What is there.' },
    { line: 'wayside dead-letters redrive orders --all', says: 'When the reason is mended.' },
  ],
});
