/** `wayside group …`: consumer groups made, listed, looked at, changed, moved, removed. */
import type { Group } from '../client/index.ts';
import type { Backoff, BackoffInput, GroupInfo, GroupInput } from '../core/calls.ts';
import { taken } from './args.ts';
import type { Context, Options, Values } from './command.ts';
import { defineCommand, defineNoun, Usage } from './command.ts';
import { confirm } from './confirm.ts';
import type { Output } from './output.ts';
import type { Cell } from './table.ts';
import { safe } from './text.ts';
import { counted, parseDuration, parsePlace, placeText, shownAgo, shownNumber, shownTime, typedDuration } from './units.ts';

const STATION = { name: 'STATION', help: 'The name of the station.', complete: 'station' } as const;
const GROUP = { name: 'GROUP', help: 'The name of the group.', complete: 'group' } as const;

const SETTINGS = {
  order: {
    type: 'text',
    choices: ['none', 'key', 'partition'],
    help: 'key: one message of a key is out at a time. partition: one lease of a partition.',
    without: 'none',
  },
  lease: { type: 'duration', none: true, min: 1000, max: 43_200_000, help: 'How long a message is kept from others.', without: '30s' },
  maxDeliveries: { type: 'count', none: true, min: 1, help: 'After so many a message is a dead letter.', without: '10' },
  maxInFlight: { type: 'count', none: true, min: 1, help: 'So many are out at once, in each partition.', without: 'no limit' },
  maxPerConsumer: { type: 'count', none: true, min: 1, help: 'So many of one consumer, in each partition.', without: 'no limit' },
  backoff: {
    type: 'text',
    value: '1s,5s,1m|1s..10m',
    help: 'How long a message waits before it comes again: a list (the last repeats), or doubling between two; none for at once.',
    without: 'at once',
  },
  filter: {
    type: 'text',
    value: 'EXPRESSION',
    help: 'Only messages that match, such as key == "a" || exists(header.urgent); none for all.',
  },
} as const satisfies Options;

const create = defineCommand({
  name: 'create',
  summary: 'Make a group, to choose where it begins or how it delivers.',
  about: 'Not needed for the defaults: the first consume makes its group, at the start of the station.',
  words: [STATION, GROUP],
  options: { from: { type: 'place', help: 'The first message that it gets.', without: 'start' }, ...SETTINGS },
  examples: [
    { line: 'wayside group create orders audit --from end', says: 'Only what comes from now on.' },
    { line: 'wayside group create orders billing --order key --lease 2m', says: 'In order for each key.' },
  ],
  async run({ options, words, out, connect }) {
    const input = { ...inputFrom(options), ...(options.from !== undefined && { startAt: placeText(options.from) }) };
    showGroup(await groupOf(connect, words).create(input), out);
  },
});

const update = defineCommand({
  name: 'update',
  summary: 'Change settings of a group.',
  words: [STATION, GROUP],
  options: { ...SETTINGS, version: { type: 'count', min: 1, help: 'Only if this version is current.' } },
  examples: [{ line: 'wayside group update orders billing --max-deliveries 3', says: 'Give up sooner.' }],
  async run({ options, words, out, connect }) {
    const patch = inputFrom(options);
    if (Object.keys(patch).length === 0) throw new Usage('Nothing to change: name at least one setting.');
    const { version } = options;
    showGroup(await groupOf(connect, words).update(patch, version === undefined ? {} : { version }), out);
  },
});

function inputFrom(options: Partial<Values<typeof SETTINGS>>): GroupInput {
  const { order, lease, maxDeliveries, maxInFlight, maxPerConsumer, backoff, filter } = options;
  return {
    ...(order !== undefined && { order }),
    ...(lease !== undefined && { leaseMs: lease }),
    ...(maxDeliveries !== undefined && { maxDeliveries }),
    ...(maxInFlight !== undefined && { maxInFlight }),
    ...(maxPerConsumer !== undefined && { maxInFlightPerConsumer: maxPerConsumer }),
    ...(backoff !== undefined && { backoff: backoffFrom(backoff) }),
    ...(filter !== undefined && { filter: filter === 'none' ? null : filter }),
  };
}

/** @throws Usage */
function backoffFrom(text: string): BackoffInput | null {
  if (text === 'none') return null;
  const [range, least, most] = /^([^.,]+)\.\.([^.,]+)$/.exec(text) ?? [];
  const delays = (range === undefined ? text.split(',') : [least!, most!]).map((part) => parseDuration(part.trim()));
  if (delays.some((delay) => delay === undefined))
    throw new Usage(`--backoff is ${JSON.stringify(text)}; it takes durations such as 1s,5s,1m, two of them such as 1s..10m, or none.`);
  const [minMs, maxMs] = delays as number[];
  return range === undefined ? (delays as number[]) : { minMs: minMs!, maxMs: maxMs! };
}

function shownBackoff(backoff: Backoff): string {
  if (!('minMs' in backoff)) return backoff.map(typedDuration).join(', ');
  const { minMs, maxMs, factor, jitterPercent } = backoff;
  const jitter = jitterPercent > 0 ? `, up to ${jitterPercent} % less` : '';
  return `${typedDuration(minMs)} to ${typedDuration(maxMs)}, ${factor} times as long each time${jitter}`;
}

function groupOf(connect: Context['connect'], [station = '', group = '']: readonly string[]): Group<unknown> {
  return connect().station(station).group(group);
}

const list = defineCommand({
  name: 'list',
  summary: 'List the groups of a station, and how far they are.',
  words: [STATION],
  examples: [{ line: 'wayside group list orders', says: 'Who has how much to go.' }],
  async run({ words: [name = ''], out, connect }) {
    const station = connect().station(name);
    const rows: Cell[][] = [];
    for await (const { name: group } of station.groups()) {
      const info = await station.group(group).info();
      if (out.json) out.value(info);
      else
        rows.push([
          group,
          shownNumber(info.unread),
          shownNumber(info.inFlight),
          info.dead > 0 ? { text: shownNumber(info.dead), ink: 'red' } : '0',
          String(info.members.length),
          info.order,
          shownAgo(info.createdAt, Date.now()),
        ]);
    }
    if (out.json) return;
    if (rows.length === 0) return out.note(`${name} has no groups. A consume makes one: wayside consume ${name} --group billing`);
    out.table(
      [
        { title: 'GROUP', ink: 'bold', shrinks: true },
        { title: 'UNREAD', align: 'right' },
        { title: 'IN FLIGHT', align: 'right' },
        { title: 'DEAD', align: 'right' },
        { title: 'CONSUMERS', align: 'right', goes: true },
        { title: 'ORDER', goes: true },
        { title: 'MADE', ink: 'dim', goes: true },
      ],
      rows,
    );
  },
});

const info = defineCommand({
  name: 'info',
  summary: 'Show a group: settings, how far it is, who consumes.',
  words: [STATION, GROUP],
  examples: [{ line: 'wayside group info orders billing', says: 'With its consumers.' }],
  async run({ words, out, connect }) {
    showGroup(await groupOf(connect, words).info(), out);
  },
});

function showGroup(group: GroupInfo, out: Output): void {
  if (out.json) {
    out.value(group);
    return;
  }
  const now = Date.now();
  out.line(out.paint('bold', group.name));
  out.facts([
    ...(group.paused ? [['paused', out.paint('yellow', 'yes: nothing is given out')] as const] : []),
    ['unread', `${group.unreadIsUpperBound ? 'at most ' : ''}${shownNumber(group.unread)}`],
    ...(group.oldestPendingAt === null ? [] : [['oldest pending', shownAgo(group.oldestPendingAt, now)] as const]),
    ...(group.stalled ? [['stalled', out.paint('red', 'yes: too many messages wait for one of their key')] as const] : []),
    [
      'in flight',
      `${shownNumber(group.inFlight)}${group.redelivered > 0 ? `, ${shownNumber(group.redelivered)} of them delivered before` : ''}`,
    ],
    ['dead letters', group.dead > 0 ? out.paint('red', shownNumber(group.dead)) : '0'],
    ['began at', String(group.startAt)],
    ['order', group.order],
    ['lease', typedDuration(group.leaseMs)],
    ['deliveries at most', shownNumber(group.maxDeliveries)],
    ...(group.maxInFlight === undefined ? [] : [['in flight at most', shownNumber(group.maxInFlight)] as const]),
    ...(group.maxInFlightPerConsumer === undefined ? [] : [['of one consumer', shownNumber(group.maxInFlightPerConsumer)] as const]),
    ...(group.backoff === undefined ? [] : [['backoff', shownBackoff(group.backoff)] as const]),
    ...(group.filter === undefined ? [] : [['filter', safe(group.filter)] as const]),
    ['made', `${shownTime(group.createdAt)} (${shownAgo(group.createdAt, now)})`],
    ['version', String(group.version)],
  ]);
  if (group.members.length === 0) return;
  out.line();
  out.table(
    [{ title: 'CONSUMER', ink: 'bold', shrinks: true }, { title: 'IN FLIGHT', align: 'right' }, { title: 'LAST SEEN' }],
    group.members.map(({ consumer, inFlight, lastSeenAt }) => [consumer, shownNumber(inFlight), shownAgo(lastSeenAt, now)]),
  );
}

const pending = defineCommand({
  name: 'pending',
  summary: 'List the messages that are out, with whom and until when.',
  words: [STATION, GROUP],
  options: { limit: { type: 'count', default: '100', min: 1, help: 'So many at most.' } },
  examples: [{ line: 'wayside group pending orders billing', says: 'What is being worked on.' }],
  async run({ options: { limit }, words, out, connect }) {
    const rows: Cell[][] = [];
    const now = Date.now();
    let left = limit;
    for await (const lease of groupOf(connect, words).pending()) {
      if (left-- <= 0) {
        out.note(`There are more than ${shownNumber(limit)}; --limit shows more.`);
        break;
      }
      const { partition, sequence, consumer, deliveries, expiresAt, receipt } = lease;
      if (out.json) out.value(lease);
      else rows.push([String(partition), shownNumber(sequence), consumer, String(deliveries), shownAgo(expiresAt, now), receipt]);
    }
    if (out.json) return;
    if (rows.length === 0) return out.note('Nothing is out.');
    out.table(
      [
        { title: 'PARTITION', align: 'right' },
        { title: 'SEQUENCE', align: 'right' },
        { title: 'CONSUMER', ink: 'bold', shrinks: true },
        { title: 'DELIVERIES', align: 'right', goes: true },
        { title: 'EXPIRES' },
        { title: 'RECEIPT', ink: 'dim', shrinks: true, goes: true },
      ],
      rows,
    );
  },
});

const seek = defineCommand({
  name: 'seek',
  summary: 'Move a group: what comes next is from there on.',
  about: 'Leases that are out end: acks of messages that were delivered before do not count any more.',
  words: [STATION, GROUP, { name: 'PLACE', help: 'A sequence, start, end, a time such as 2026-01-31T08:00, or how long ago such as 10m.' }],
  options: { partition: { type: 'count', help: 'Only this one.', without: 'all' } },
  examples: [
    { line: 'wayside group seek orders billing start', says: 'Everything once more.' },
    { line: 'wayside group seek orders billing 1h', says: 'The last hour once more.' },
    { line: 'wayside group seek orders billing end', says: 'Skip what is there.' },
  ],
  async run({ options: { partition }, words, out, connect }) {
    const [, , text = ''] = words;
    const to = parsePlace(text, Date.now());
    if (to === undefined) throw new Usage(`PLACE is ${JSON.stringify(text)}; it takes ${taken({ type: 'place', help: '' })}.`);
    const group = groupOf(connect, words);
    await group.seek(placeText(to), partition === undefined ? {} : { partition });
    const { unread } = await group.info();
    if (out.json) out.value({ to: placeText(to), unread });
    else out.line(`Moved ${words[1]}: ${counted(unread, 'message')} to go.`);
  },
});

/** A verb that pauses a group, or has it go on. */
function pauseCommand(name: 'pause' | 'resume', summary: string) {
  return defineCommand({
    name,
    summary,
    words: [STATION, GROUP],
    examples: [{ line: `wayside group ${name} orders billing`, says: name === 'pause' ? 'What is out can still be acked.' : 'Goes on.' }],
    async run({ words, out, connect }) {
      const group = await groupOf(connect, words).update({ paused: name === 'pause' });
      if (out.json) out.value(group);
      else out.line(`${group.name} ${group.paused ? 'is paused' : 'goes on'}: ${counted(group.unread, 'message')} to go.`);
    },
  });
}

const audit = defineCommand({
  name: 'audit',
  summary: 'Add up where every message is, for a group.',
  words: [STATION, GROUP],
  examples: [{ line: 'wayside group audit orders billing', says: 'What was produced is the sum of the rest.' }],
  async run({ words, out, connect }) {
    const result = await groupOf(connect, words).audit();
    if (out.json) return out.value(result);
    const { produced, acknowledged, pending, inFlight, dead, expired, trimmed, filtered, skipped, again, balanced } = result;
    const rows = { acknowledged, pending, 'in flight': inFlight, dead, expired, trimmed, filtered, skipped };
    out.facts([
      ['produced', shownNumber(produced)],
      ...(again > 0 ? [['again', `${shownNumber(again)} (counted twice: redriven after the group had come by them anew)`] as const] : []),
      ...Object.entries(rows).map(([name, count]) => [name, shownNumber(count)] as const),
      ['the sum', balanced ? 'is right' : out.paint('red', 'is wrong')],
    ]);
  },
});

const remove = defineCommand({
  name: 'remove',
  summary: 'Remove a group with its position and dead letters.',
  words: [STATION, GROUP],
  options: { yes: { type: 'flag', short: 'y', help: 'Do not ask.' } },
  examples: [{ line: 'wayside group remove orders billing --yes', says: 'At a terminal it asks, without --yes.' }],
  async run({ options, words, out, connect }) {
    const group = groupOf(connect, words);
    const { dead } = await group.info();
    await confirm(
      out,
      `group ${group.name} with its position${dead > 0 ? ` and ${counted(dead, 'dead letter')}` : ''}`,
      group.name,
      options.yes,
    );
    await group.remove();
    if (out.json) out.value({ removed: group.name });
    else out.line(`Removed ${group.name}.`);
  },
});

export const command = defineNoun({
  name: 'group',
  summary: 'Make, list, change, move and remove consumer groups.',
  about: 'The consumers of a group share the messages of a station; each group gets all of them.',
  commands: [
    list,
    info,
    audit,
    pending,
    create,
    update,
    seek,
    pauseCommand('pause', 'Give nothing out until it is resumed.'),
    pauseCommand('resume', 'Go on giving out.'),
    remove,
  ],
  examples: [
    { line: 'wayside group list orders', says: 'How far everybody is.' },
    { line: 'wayside group seek orders billing 10m', says: 'The last ten minutes once more.' },
  ],
});
