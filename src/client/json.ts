/**
 * Messages as the API writes them in JSON, with every payload as base64, made into records: so that the SDK has one form
 * of a message, whatever it came over.
 */
import { BatchBuilder } from '../core/batch/build.ts';
import { CRC_BYTES, HEADER_BYTES } from '../core/batch/layout.ts';
import { fieldsOf } from './answers.ts';
import { prepared, Stored } from './consume/message.ts';
import { fromBase64 } from './payload.ts';
import { recordEnd } from './record.ts';
import type { StandardSchemaV1 } from './schema.ts';

export interface JsonMessage {
  readonly partition: number;
  readonly sequence: number;
  readonly producedAt: number;
  readonly key?: string;
  readonly id?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly base64: string;
}

/** @throws TypeError one of them is no message */
export function jsonMessages(list: unknown): readonly JsonMessage[] {
  if (!Array.isArray(list)) throw new TypeError('no list');
  for (const message of list) {
    const { partition, sequence, producedAt, base64 } = fieldsOf(message);
    const isOne = [partition, sequence, producedAt].every(Number.isSafeInteger) && typeof base64 === 'string';
    if (!isOne) throw new TypeError('no message');
  }
  return list as JsonMessage[];
}

/** A batch of them, without a CRC: as a delivered block carries its records. */
export function recordsOf(messages: readonly JsonMessage[]): Uint8Array {
  const builder = new BatchBuilder();
  for (const { key, id, headers, contentType, base64 } of messages) {
    const pairs = headers === undefined ? undefined : Object.entries(headers);
    builder.append({ key, id, contentType, headers: pairs, payload: fromBase64(base64) });
  }
  const batch = builder.finish();
  batch[4] = 0;
  return batch.subarray(0, batch.length - CRC_BYTES);
}

/** Each of them as a program gets it. */
export async function storedOf<T>(
  messages: readonly JsonMessage[],
  schema: StandardSchemaV1<unknown, T> | undefined,
): Promise<Stored<T>[]> {
  const records = recordsOf(messages);
  let at = HEADER_BYTES;
  const stored = messages.map(({ partition, sequence, producedAt }) => {
    const start = at;
    at = recordEnd(records, start);
    return new Stored<T>({ partition, producedAt, records, schema }, sequence, start, at);
  });
  return prepared(stored);
}
