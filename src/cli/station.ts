/** `wayside station …`: stations made, listed, looked at, changed, emptied, removed. */
import type { Station, Wayside } from '../client/index.ts';
import type { StationHead, StationInfo, StationInput } from '../core/calls.ts';
import type { Options, Values } from './command.ts';
import { defineCommand, defineNoun, Usage } from './command.ts';
import { confirm } from './confirm.ts';
import type { Output } from './output.ts';
import type { Cell } from './table.ts';
import { counted, shownAgo, shownBytes, shownNumber, shownTime, typedDuration, typedSize } from './units.ts';

const NAME = { name: 'STATION', help: 'The name of the station.', complete: 'station' } as const;

/** What can be said when a station is made and when it is changed. */
const SETTINGS = {
  maxAge: { type: 'duration', none: true, min: 1, help: 'Messages older than this go.', without: 'they stay' },
  maxMessages: { type: 'count', none: true, min: 1, help: 'So many in each partition at most.', without: 'no limit' },
  maxBytes: { type: 'size', none: true, min: 1, help: 'So many record bytes in each partition at most.', without: 'no limit' },
  untilAcked: { type: 'text', choices: ['yes', 'no'], help: 'A message goes when every group has acked it.', without: 'no' },
  discard: {
    type: 'text',
    choices: ['old', 'refuse'],
    help: 'What gives way at a limit: the oldest messages, or the new one.',
    without: 'old',
  },
  dedupWindow: { type: 'duration', none: true, help: 'How long ids are remembered.', without: '2m' },
  maxMessage: { type: 'size', none: true, min: 1, help: 'Payload bytes of one message at most.', without: '1MiB' },
  deadLetterStation: {
    type: 'text',
    value: 'STATION|none',
    help: 'Dead letters are copied there.',
    without: 'they are not copied',
    complete: 'station',
  },
  deadLetterMaxAge: { type: 'duration', none: true, min: 1, help: 'Dead letters older than this go.', without: 'they stay' },
} as const satisfies Options;

const create = defineCommand({
  name: 'create',
  summary: 'Make a station, or find the same one there.',
  about: 'Making it again with the same settings is fine; with others it is refused.',
  words: [NAME],
  options: {
    partitions: { type: 'count', short: 'p', min: 1, max: 256, help: 'It cannot be changed later.', without: '1' },
    durability: {
      type: 'text',
      choices: ['synced', 'buffered', 'memory'],
      help: 'What an answer waits for: stable storage, the system, or nothing.',
      without: 'the strongest that the broker gives',
    },
    ...SETTINGS,
  },
  examples: [
    { line: 'wayside station create orders', says: 'With the defaults.' },
    { line: 'wayside station create orders --partitions 4 --max-age 7d', says: 'Four partitions, a week of messages.' },
    { line: 'wayside station create metrics --durability memory --max-messages 100k', says: 'Fast, and gone with the broker.' },
  ],
  async run({ options, words: [name = ''], out, connect }) {
    const { partitions, durability } = options;
    const input = { ...inputFrom(options), ...(partitions !== undefined && { partitions }), ...(durability && { durability }) };
    showStation(await connect().station(name).create(input), out);
  },
});

const update = defineCommand({
  name: 'update',
  summary: 'Change settings of a station.',
  about: 'What is not named stays. The number of partitions and the durability stay as they were made.',
  words: [NAME],
  options: {
    ...SETTINGS,
    version: { type: 'count', min: 1, help: 'Only if this version is current, as `station info` shows it.' },
  },
  examples: [
    { line: 'wayside station update orders --max-age 30d', says: 'A month from now on.' },
    { line: 'wayside station update orders --max-age none --max-bytes 10GiB', says: 'By size instead of age.' },
  ],
  async run({ options, words: [name = ''], out, connect }) {
    const patch = inputFrom(options);
    if (Object.keys(patch).length === 0) throw new Usage('Nothing to change: name at least one setting.');
    const { version } = options;
    showStation(
      await connect()
        .station(name)
        .update(patch, version === undefined ? {} : { version }),
      out,
    );
  },
});

function inputFrom(options: Partial<Values<typeof SETTINGS>>): StationInput {
  const { maxAge, maxMessages, maxBytes, untilAcked, discard, dedupWindow, maxMessage, deadLetterMaxAge, deadLetterStation } = options;
  const retention = {
    ...(maxAge !== undefined && { maxAgeMs: maxAge }),
    ...(maxMessages !== undefined && { maxMessages }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(untilAcked !== undefined && { untilAcked: untilAcked === 'yes' }),
    ...(discard !== undefined && { discard }),
  };
  const deadLetter = {
    ...(deadLetterMaxAge !== undefined && { maxAgeMs: deadLetterMaxAge }),
    ...(deadLetterStation !== undefined && { station: deadLetterStation === 'none' ? null : deadLetterStation }),
  };
  return {
    ...(Object.keys(retention).length > 0 && { retention }),
    ...(dedupWindow !== undefined && { dedupWindowMs: dedupWindow }),
    ...(maxMessage !== undefined && { maxMessageBytes: maxMessage }),
    ...(Object.keys(deadLetter).length > 0 && { deadLetter }),
  };
}

const list = defineCommand({
  name: 'list',
  summary: 'List the stations.',
  options: { counts: { type: 'flag', short: 'c', help: 'Also how much is in each, which asks for each by itself.' } },
  examples: [
    { line: 'wayside station list', says: 'By name.' },
    { line: "wayside station list --json | jq -r '.name'", says: 'One JSON object a line.' },
  ],
  async run({ options: { counts }, out, connect }) {
    const wayside = connect();
    if (counts) await listWithCounts(wayside, out);
    else await listHeads(wayside, out);
  },
});

async function listHeads(wayside: Wayside, out: Output): Promise<void> {
  const rows: Cell[][] = [];
  const now = Date.now();
  for await (const head of wayside.stations()) {
    if (out.json) out.value(head);
    else rows.push([head.name, String(head.partitions), head.durability, retentionOf(head), shownAgo(head.createdAt, now)]);
  }
  if (out.json) return;
  if (rows.length === 0) return out.note('There are no stations. Make one: wayside station create orders');
  out.table(
    [
      { title: 'STATION', ink: 'bold', shrinks: true },
      { title: 'PARTITIONS', align: 'right' },
      { title: 'DURABILITY', goes: true },
      { title: 'KEEPS', shrinks: true, goes: true },
      { title: 'MADE', ink: 'dim', goes: true },
    ],
    rows,
  );
}

async function listWithCounts(wayside: Wayside, out: Output): Promise<void> {
  const rows: Cell[][] = [];
  for await (const { name } of wayside.stations()) {
    const info = await unlessRemoved(wayside.station(name));
    if (info === undefined) continue;
    if (out.json) out.value(info);
    else rows.push([name, String(info.partitions), shownNumber(info.messages), shownBytes(info.bytes), info.durability, retentionOf(info)]);
  }
  if (out.json) return;
  if (rows.length === 0) return out.note('There are no stations. Make one: wayside station create orders');
  out.table(
    [
      { title: 'STATION', ink: 'bold', shrinks: true },
      { title: 'PARTITIONS', align: 'right' },
      { title: 'MESSAGES', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'DURABILITY', goes: true },
      { title: 'KEEPS', shrinks: true, goes: true },
    ],
    rows,
  );
}

/** Between the list and the question somebody else may have removed it. */
async function unlessRemoved(station: Station<unknown>): Promise<StationInfo | undefined> {
  try {
    return await station.info();
  } catch (error) {
    if ((error as { code?: string }).code === 'STATION_NOT_FOUND') return undefined;
    throw error;
  }
}

const info = defineCommand({
  name: 'info',
  summary: 'Show a station: settings, and what is in it.',
  words: [NAME],
  examples: [
    { line: 'wayside station info orders', says: 'Settings, then a line for each partition.' },
    { line: 'wayside station info orders --json | jq .messages', says: 'For scripts.' },
  ],
  async run({ words: [name = ''], out, connect }) {
    showStation(await connect().station(name).info(), out);
  },
});

function deadLettersOf({ deadLetter: { maxAgeMs, station } }: StationInfo): string {
  const kept = maxAgeMs === undefined ? 'kept' : `kept ${typedDuration(maxAgeMs)}`;
  return station === undefined ? kept : `${kept}, copied to ${station}`;
}

function showStation(station: StationInfo, out: Output): void {
  if (out.json) {
    out.value(station);
    return;
  }
  const now = Date.now();
  out.line(out.paint('bold', station.name));
  out.facts([
    ['messages', `${shownNumber(station.messages)}, ${shownBytes(station.bytes)}`],
    ['durability', station.durability],
    ['keeps', retentionOf(station)],
    ['ids remembered', station.dedupWindowMs === 0 ? 'not at all' : typedDuration(station.dedupWindowMs)],
    ['message at most', typedSize(station.maxMessageBytes)],
    ['dead letters', deadLettersOf(station)],
    ...(station.scheduled > 0 ? [['delayed', shownNumber(station.scheduled)] as const] : []),
    ...(station.outbox > 0 ? [['on its way', shownNumber(station.outbox)] as const] : []),
    ['made', `${shownTime(station.createdAt)} (${shownAgo(station.createdAt, now)})`],
    ['version', String(station.version)],
  ]);
  out.line();
  out.table(
    [
      { title: 'PARTITION', align: 'right' },
      { title: 'MESSAGES', align: 'right' },
      { title: 'SIZE', align: 'right' },
      { title: 'FIRST', align: 'right' },
      { title: 'LAST', align: 'right' },
    ],
    station.counts.map(({ partition, messages, bytes, first, last }) => [
      String(partition),
      shownNumber(messages),
      shownBytes(bytes),
      messages === 0 ? '–' : shownNumber(first),
      last === 0 ? '–' : shownNumber(last),
    ]),
  );
}

/** `7d, 10GiB a partition, then the oldest go` */
function retentionOf({ retention, partitions }: StationHead): string {
  const { maxAgeMs, maxMessages, maxBytes, untilAcked, discard } = retention;
  const parts: string[] = [];
  const each = partitions > 1 ? ' a partition' : '';
  if (maxAgeMs !== undefined) parts.push(typedDuration(maxAgeMs));
  if (maxMessages !== undefined) parts.push(`${counted(maxMessages, 'message')}${each}`);
  if (maxBytes !== undefined) parts.push(`${typedSize(maxBytes)}${each}`);
  if (untilAcked) parts.push('until acked');
  if ((maxMessages !== undefined || maxBytes !== undefined) && discard === 'refuse') parts.push('then refuses');
  return parts.length === 0 ? 'everything' : parts.join(', ');
}

const YES = { type: 'flag', short: 'y', help: 'Do not ask.' } as const;

const remove = defineCommand({
  name: 'remove',
  summary: 'Remove a station with its messages, groups and dead letters.',
  words: [NAME],
  options: { yes: YES },
  examples: [{ line: 'wayside station remove orders --yes', says: 'At a terminal it asks, without --yes.' }],
  async run({ options, words: [name = ''], out, connect }) {
    const station = connect().station(name);
    const { messages } = await station.info();
    await confirm(out, `station ${name} with ${counted(messages, 'message')} and its groups`, name, options.yes);
    await station.remove();
    if (out.json) out.value({ removed: name });
    else out.line(`Removed ${name}.`);
  },
});

const purge = defineCommand({
  name: 'purge',
  summary: 'Remove messages of a station, all or up to a sequence.',
  about: 'Dead letters stay, and later sequences go on where they were.',
  words: [NAME],
  options: {
    upTo: { type: 'count', min: 1, value: 'SEQUENCE', help: 'The last one to go.', without: 'all go' },
    partition: { type: 'count', help: 'Only of this one.', without: 'all' },
    yes: YES,
  },
  examples: [
    { line: 'wayside station purge orders --yes', says: 'Everything.' },
    { line: 'wayside station purge orders --up-to 1000 --partition 0 --yes', says: 'The first thousand of a partition.' },
  ],
  async run({ options: { upTo, partition, yes }, words: [name = ''], out, connect }) {
    const what = upTo === undefined ? 'every message' : `every message up to ${shownNumber(upTo)}`;
    await confirm(out, `${what} of ${partition === undefined ? '' : `partition ${partition} of `}station ${name}`, name, yes);
    const { purged } = await connect()
      .station(name)
      .purge({ ...(upTo !== undefined && { upTo }), ...(partition !== undefined && { partition }) });
    if (out.json) out.value({ purged });
    else out.line(`Removed ${counted(purged, 'message')}.`);
  },
});

export const command = defineNoun({
  name: 'station',
  summary: 'Make, list, change, empty and remove stations.',
  about: 'A station is a named stream of messages, in one or several partitions.',
  commands: [create, list, info, update, purge, remove],
  examples: [
    { line: 'wayside station create orders', says: 'Make one,' },
    { line: 'wayside station info orders', says: 'and look at it.' },
  ],
});
