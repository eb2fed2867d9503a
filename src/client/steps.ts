/**
 * Exactly-once steps: messages are acked, and what was made of them is produced, in one call.
 *
 * Holds: an answer that was lost is asked for again, and the broker knows the step; so it is done once, whatever breaks.
 */
import type { StepResult } from '../core/calls.ts';
import type { Message } from './consume/message.ts';
import { WaysideError } from './errors.ts';
import { encodePayload, impliedType } from './payload.ts';
import type { Wayside } from './wayside.ts';

/** A message that a step has made. */
export interface StepOutput {
  /** Where it goes: a station of the same namespace. */
  readonly station: string;
  /** From 0; by its key unless given. */
  readonly partition?: number | undefined;
  /** Bytes and buffers as they are, a text as UTF-8, anything else as JSON. */
  readonly payload: unknown;
  /** Decides its partition, and its order there. */
  readonly key?: string | undefined;
  /** Stored once within the target's window. A step does not need it. */
  readonly id?: string | undefined;
  /** Names and texts. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Implied by the payload unless given. */
  readonly contentType?: string | undefined;
  /** Milliseconds until it comes. */
  readonly delayMs?: number | undefined;
  /** Milliseconds after which it is given to no group any more. */
  readonly expiresMs?: number | undefined;
}

/** Which messages a step is made of: those of one group, and of one partition. */
export interface StepPlace {
  /** The station that they came from. */
  readonly station: string;
  /** The group that was given them. */
  readonly group: string;
}

const AGAIN_MS = 200;
const AGAIN_MS_MAX = 5_000;

/**
 * Acks `messages` and produces `outputs`, all or nothing. Do not ack them yourself. Where the connection breaks before the
 * answer, it is asked again, for as long as their lease lasts; the outputs come once all the same.
 *
 * @throws LEASE_EXPIRED one of them was given out again, or was settled: nothing was produced · STATION_NOT_FOUND ·
 * INVALID_REQUEST they are of several partitions · MESSAGE_TOO_LARGE · BATCH_TOO_LARGE
 */
export async function step(
  wayside: Wayside,
  { station, group }: StepPlace,
  messages: readonly Message[],
  outputs: readonly StepOutput[],
): Promise<StepResult> {
  const path = `/stations/${encodeURIComponent(station)}/groups/${encodeURIComponent(group)}/step`;
  const body = { receipts: messages.map(({ receipt }) => receipt), outputs: byTarget(outputs) };
  for (let pauseMs = AGAIN_MS; ; pauseMs = Math.min(AGAIN_MS_MAX, pauseMs * 2)) {
    try {
      const answer = await wayside.call('POST', path, body);
      // They are settled; this tells whoever handed them out, and costs the broker nothing.
      for (const message of messages) void message.ack();
      return answer.body as StepResult;
    } catch (error) {
      if (!(error instanceof WaysideError) || !isWorthAgain(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? pauseMs));
    }
  }
}

/** The broker knows a step that it has made; the lease bounds how long this goes on. */
function isWorthAgain({ code, outcome }: WaysideError): boolean {
  if (code === 'INTERNAL' || code === 'CORRUPTION') return false;
  return outcome === 'unknown' || code === 'UNAVAILABLE' || code === 'SHUTTING_DOWN' || code === 'OVERLOADED';
}

function byTarget(outputs: readonly StepOutput[]): object[] {
  const targets = new Map<string, { station: string; partition: number | undefined; messages: object[] }>();
  for (const { station, partition, payload, headers, contentType = impliedType(payload), ...rest } of outputs) {
    const target = targets.get(`${partition ?? ''} ${station}`) ?? { station, partition, messages: [] };
    targets.set(`${partition ?? ''} ${station}`, target);
    target.messages.push({ ...rest, ...(headers && { headers }), ...(contentType && { contentType }), ...formOf(payload) });
  }
  return [...targets.values()];
}

function formOf(payload: unknown): object {
  if (typeof payload === 'string') return { text: payload };
  const bytes = encodePayload(payload, true);
  if (!(payload instanceof ArrayBuffer || ArrayBuffer.isView(payload))) return { payload };
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return { base64: btoa(binary) };
}
