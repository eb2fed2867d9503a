/**
 * The one table of entry kinds. A number that was ever used keeps its meaning for ever; a changed layout is a new version.
 *
 * Holds: an unknown kind or version refuses to open its actor, since skipping it would give another state.
 */
import { WaysideError } from '../errors.ts';
import * as catalog from './catalog.ts';
import type { Codec } from './codec.ts';
import * as group from './group.ts';
import * as outbox from './outbox.ts';
import * as producer from './producer.ts';
import * as schedule from './schedule.ts';
import * as station from './station.ts';

export interface Kind<T> {
  readonly id: number;
  readonly name: string;
  readonly version: number;
  /** Data lives until it is trimmed; state lives until sections hold it. */
  readonly data: boolean;
  /** Undefined for those that hold a record batch (produce.ts). */
  readonly codec: Codec<T>;
}

const kinds: (Kind<unknown> | undefined)[] = [];

function kind<T>(id: number, name: string, codec: Codec<T>, data = false, version = 1): Kind<T> {
  const made = { id, name, version, data, codec };
  if (kinds[id]) throw new TypeError(`Entry kind ${id} is used twice.`);
  kinds[id] = made as Kind<unknown>;
  return made;
}

/** Their bodies are read and written by produce.ts, without an object a message. */
const batch: Codec<never> = {
  write() {
    throw new TypeError('A record batch is written by produce.ts.');
  },
  read() {
    throw new TypeError('A record batch is read by produce.ts.');
  },
};

export const KIND = {
  produced: kind(1, 'produced', batch, true),
  carried: kind(2, 'carried', batch, true),
  configured: kind(3, 'configured', station.configured, false, 2),
  trimmed: kind(4, 'trimmed', station.trimmed),
  groupMade: kind(5, 'groupMade', group.groupMade, false, 2),
  groupChanged: kind(6, 'groupChanged', group.groupChanged, false, 2),
  groupRemoved: kind(7, 'groupRemoved', group.groupRemoved),
  sought: kind(8, 'sought', group.sought),
  leased: kind(9, 'leased', group.leased),
  acked: kind(10, 'acked', group.acked),
  returned: kind(11, 'returned', group.returned),
  extended: kind(12, 'extended', group.extended),
  died: kind(13, 'died', group.died),
  redriven: kind(14, 'redriven', group.redriven),
  lettersRemoved: kind(15, 'lettersRemoved', group.lettersRemoved),
  scheduled: kind(16, 'scheduled', batch, true),
  scheduleEnded: kind(17, 'scheduleEnded', schedule.scheduleEnded),
  intended: kind(18, 'intended', outbox.intended),
  // 19 was laid out for what 18 says now, and never written.
  intentEnded: kind(20, 'intentEnded', outbox.intentEnded),
  // 21 was laid out for another form of the next one, and never written.
  producerMoved: kind(22, 'producerMoved', producer.producerMoved),
  passed: kind(23, 'passed', group.passed),
  outputs: kind(24, 'outputs', batch, true),
  stepped: kind(25, 'stepped', group.stepped),

  founded: kind(64, 'founded', catalog.founded),
  namespaceMade: kind(65, 'namespaceMade', catalog.namespaceMade),
  stationMade: kind(66, 'stationMade', catalog.stationMade, false, 2),
  stationChanged: kind(67, 'stationChanged', catalog.stationChanged, false, 2),
  stationRemoved: kind(68, 'stationRemoved', catalog.stationRemoved),
  stationReborn: kind(69, 'stationReborn', catalog.stationReborn),
  catalogGroupMade: kind(70, 'catalogGroupMade', catalog.catalogGroupMade, false, 2),
  catalogGroupChanged: kind(71, 'catalogGroupChanged', catalog.catalogGroupChanged, false, 2),
  catalogGroupRemoved: kind(72, 'catalogGroupRemoved', catalog.catalogGroupRemoved),
  commanded: kind(73, 'commanded', catalog.commanded),
  visited: kind(74, 'visited', catalog.visited),
  importBegun: kind(75, 'importBegun', catalog.importBegun),
  stationsImported: kind(76, 'stationsImported', catalog.stationsImported),
  importsDropped: kind(77, 'importsDropped', catalog.importsDropped),
} as const;

/** @throws UNAVAILABLE a newer broker has written it */
export function kindOf(id: number, version: number): Kind<unknown> {
  const found = kinds[id];
  if (found === undefined || found.version !== version) {
    throw new WaysideError(
      'UNAVAILABLE',
      `The data holds an entry of kind ${id}, version ${version}, which this version of the broker does not know. Use the version that wrote it, or a newer one.`,
    );
  }
  return found;
}
