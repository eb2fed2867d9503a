/** `wayside schedules …`: delayed messages that are not due yet: listed, cancelled. */
import { defineCommand, defineNoun } from './command.ts';
import type { Cell } from './table.ts';
import { safe } from './text.ts';
import { counted, shownAgo, shownBytes, shownNumber } from './units.ts';

const STATION = { name: 'STATION', help: 'The name of the station.', complete: 'station' } as const;

const list = defineCommand({
  name: 'list',
  summary: 'List the delayed messages of a station.',
  words: [STATION],
  options: { limit: { type: 'count', default: '100', min: 1, help: 'So many at most.' } },
  examples: [{ line: 'wayside schedules list orders', says: 'By partition, the earliest first.' }],
  async run({ options: { limit }, words: [name = ''], out, connect }) {
    const rows: Cell[][] = [];
    const now = Date.now();
    let left = limit;
    for await (const schedule of connect().station(name).schedules()) {
      if (left-- <= 0) {
        out.note(`There are more than ${shownNumber(limit)}; --limit shows more.`);
        break;
      }
      const { scheduleId, dueAt, key = '', id = '', bytes, acceptedAt } = schedule;
      if (out.json) out.value(schedule);
      else rows.push([scheduleId, shownAgo(dueAt, now), safe(key), safe(id), shownBytes(bytes), shownAgo(acceptedAt, now)]);
    }
    if (out.json) return;
    if (rows.length === 0) return out.note('No message is delayed.');
    out.table(
      [
        { title: 'SCHEDULE', ink: 'bold' },
        { title: 'DUE' },
        { title: 'KEY', shrinks: true, goes: true },
        { title: 'ID', shrinks: true, goes: true },
        { title: 'SIZE', align: 'right', goes: true },
        { title: 'ACCEPTED', ink: 'dim', goes: true },
      ],
      rows,
    );
  },
});

const cancel = defineCommand({
  name: 'cancel',
  summary: 'Cancel delayed messages: they will not come.',
  words: [STATION, { name: 'SCHEDULE', help: 'As `schedules list` and `produce` show it.', many: true }],
  examples: [{ line: 'wayside schedules cancel orders SCHEDULE', says: 'SCHEDULE as `schedules list orders` shows it.' }],
  async run({ words: [name = '', ...ids], out, connect }) {
    const station = connect().station(name);
    for (const id of ids) await station.cancelSchedule(id);
    if (out.json) out.value({ cancelled: ids.length });
    else out.line(`Cancelled ${counted(ids.length, 'message')}.`);
  },
});

export const command = defineNoun({
  name: 'schedules',
  summary: 'See delayed messages, and cancel them.',
  about: 'A message that was produced with a delay gets its sequence, and comes, when it is due.',
  commands: [list, cancel],
  examples: [
    { line: "wayside produce orders 'remind me' --delay 10m", says: 'Makes one.' },
    { line: 'wayside schedules list orders', says: 'What waits.' },
  ],
});
