/**
 * Configurations of stations and groups: defaults, merging, ranges.
 *
 * Holds: what comes out is complete and within its limits; a refusal names the field, the value and the range.
 * Elsewhere: the form of what comes in over the wire (protocol/), which also refuses unknown fields.
 */
import type { Backoff, GroupConfig, GroupInput, StationConfig, StationInput } from './calls.ts';
import { parsePlace } from './calls.ts';
import { WaysideError } from './errors.ts';
import { parseFilter } from './filter/parse.ts';
import type { Limits } from './limits.ts';
import { isName } from './limits.ts';

export function stationConfig(input: StationInput, limits: Limits, strongest: StationConfig['durability']): StationConfig {
  const retention = input.retention ?? {};
  const config: StationConfig = {
    partitions: whole('partitions', input.partitions ?? 1, 1, limits.partitionsMax),
    retention: {
      maxAgeMs: optional('retention.maxAgeMs', retention.maxAgeMs, 1),
      maxMessages: optional('retention.maxMessages', retention.maxMessages, 1),
      maxBytes: optional('retention.maxBytes', retention.maxBytes, 1),
      untilAcked: retention.untilAcked === true ? true : undefined,
      discard: retention.discard ?? 'old',
    },
    durability: input.durability ?? strongest,
    dedupWindowMs: whole('dedupWindowMs', input.dedupWindowMs ?? limits.dedupWindowMsDefault, 0, limits.dedupWindowMsMax),
    maxMessageBytes: whole('maxMessageBytes', input.maxMessageBytes ?? limits.messageBytesMax, 1, limits.messageBytesMax),
    deadLetter: {
      maxAgeMs: optional('deadLetter.maxAgeMs', input.deadLetter?.maxAgeMs, 1),
      expired: input.deadLetter?.expired === true ? true : undefined,
      station: stationName(input.deadLetter?.station),
    },
  };
  if (!['old', 'refuse'].includes(config.retention.discard))
    throw bad('retention.discard', String(config.retention.discard), '"old" or "refuse"');
  return config;
}

/** A merge patch (RFC 7396): what is not named stays, null takes a setting back to its default. */
export function patchedStation(config: StationConfig, patch: StationInput, limits: Limits): StationConfig {
  if (patch.partitions !== undefined && patch.partitions !== config.partitions) {
    throw new WaysideError(
      'INVALID_REQUEST',
      `The number of partitions cannot be changed in this version: the station has ${config.partitions}.`,
      { field: 'partitions' },
    );
  }
  if (patch.durability !== undefined && patch.durability !== config.durability) {
    throw new WaysideError(
      'INVALID_REQUEST',
      `The durability of a station cannot be changed: it is ${config.durability}. Make another station.`,
      { field: 'durability' },
    );
  }
  const merged = {
    ...config,
    ...named(patch),
    retention: { ...config.retention, ...named(patch.retention ?? {}) },
    deadLetter: { ...config.deadLetter, ...named(patch.deadLetter ?? {}) },
  };
  if (patch.retention === null)
    merged.retention = { maxAgeMs: undefined, maxMessages: undefined, maxBytes: undefined, untilAcked: undefined, discard: 'old' };
  if (patch.deadLetter === null) merged.deadLetter = { maxAgeMs: undefined, expired: undefined, station: undefined };
  return stationConfig(merged as StationInput, limits, config.durability);
}

export function groupConfig(input: GroupInput, limits: Limits): GroupConfig {
  const startAt = input.startAt ?? 'start';
  if (parsePlace(startAt) === undefined) throw bad('startAt', String(startAt), '"start", "end", a sequence from 1, "time:MS", or "last:N"');
  const order = input.order ?? 'none';
  if (!['none', 'key', 'partition'].includes(order)) throw bad('order', String(order), '"none", "key" or "partition"');
  return {
    startAt: String(startAt),
    order,
    leaseMs: whole('leaseMs', input.leaseMs ?? limits.leaseMsDefault, limits.leaseMsMin, limits.leaseMsMax),
    maxDeliveries: whole('maxDeliveries', input.maxDeliveries ?? limits.maxDeliveriesDefault, 1, limits.maxDeliveriesMax),
    maxInFlight:
      input.maxInFlight === undefined || input.maxInFlight === null
        ? undefined
        : whole('maxInFlight', input.maxInFlight, 1, limits.maxInFlightMax),
    maxInFlightPerConsumer:
      input.maxInFlightPerConsumer === undefined || input.maxInFlightPerConsumer === null
        ? undefined
        : whole('maxInFlightPerConsumer', input.maxInFlightPerConsumer, 1, limits.maxInFlightMax),
    backoff: backoffOf(input.backoff, limits),
    filter: filterOf(input.filter, limits),
    paused: input.paused === true,
  };
}

function filterOf(filter: string | null | undefined, limits: Limits): string | undefined {
  if (filter === undefined || filter === null) return undefined;
  parseFilter(filter, limits);
  return filter;
}

function backoffOf(input: GroupInput['backoff'], limits: Limits): Backoff | undefined {
  if (input === undefined || input === null) return undefined;
  const { backoffCountMax, delayMsMax } = limits;
  if (!('minMs' in input)) {
    whole('backoff.length', input.length, 1, backoffCountMax);
    return input.map((delay, i) => whole(`backoff[${i}]`, delay, 1, delayMsMax));
  }
  const minMs = whole('backoff.minMs', input.minMs, 1, delayMsMax);
  return {
    minMs,
    maxMs: whole('backoff.maxMs', input.maxMs, minMs, delayMsMax),
    factor: whole('backoff.factor', input.factor ?? 2, 1, 100),
    jitterPercent: whole('backoff.jitterPercent', input.jitterPercent ?? 0, 0, 100),
  };
}

function stationName(name: string | null | undefined): string | undefined {
  if (name === undefined || name === null) return undefined;
  checkName('station', name);
  return name;
}

export function patchedGroup(config: GroupConfig, patch: GroupInput, limits: Limits): GroupConfig {
  if (patch.startAt !== undefined && String(patch.startAt) !== config.startAt) {
    throw new WaysideError('INVALID_REQUEST', 'Where a group starts is settled when it is made. Use seek to move it.', {
      field: 'startAt',
    });
  }
  return groupConfig({ ...config, ...named(patch) }, limits);
}

/** What a patch names: a setting that is there but undefined is not named. */
function named<T extends object>(patch: T): Partial<T> {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined)) as Partial<T>;
}

export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** @throws INVALID_NAME */
export function checkName(what: string, name: string): void {
  if (isName(name)) return;
  throw new WaysideError(
    'INVALID_NAME',
    `The name of a ${what} has 1 to 128 of the characters a-z A-Z 0-9 . _ - and does not start with a dot.`,
    { field: what },
  );
}

export function whole(field: string, value: number, min: number, max: number): number {
  if (!Number.isSafeInteger(value) || value < min || value > max) throw bad(field, String(value), `a whole number from ${min} to ${max}`);
  return value;
}

function optional(field: string, value: number | null | undefined, min: number): number | undefined {
  return value === undefined || value === null ? undefined : whole(field, value, min, Number.MAX_SAFE_INTEGER);
}

function bad(field: string, value: string, wanted: string): WaysideError {
  return new WaysideError('INVALID_REQUEST', `${field} is ${value.slice(0, 64)}; it must be ${wanted}.`, { field });
}
