/**
 * A step: messages acked, and what was made of them produced, in one call.
 *
 * Holds: payloads of outputs are the bytes that came, as in a batch (batch.ts).
 */
import { BatchBuilder } from '../../core/batch/build.ts';
import type { StepInput } from '../../core/calls.ts';
import { WaysideError } from '../../core/errors.ts';
import { readJsonList, readJsonMessages, readJsonObject } from '../json/spans.ts';
import { json } from './answer.ts';
import { mediaType, readBody, validated } from './body.ts';
import type { Call } from './call.ts';
import { appendGiven } from './given.ts';
import { readQuery } from './query.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';

const UTF8 = new TextDecoder();

export function stepRoutes(service: Service): Route[] {
  const { limits, schemas } = service;
  const { step } = schemas.groups;
  return [
    {
      method: 'POST',
      path: '/stations/:station/groups/:group/step',
      where: 'namespace',
      topic: 'Consume',
      id: 'step',
      summary: 'Ack messages and produce what was made of them',
      about:
        'All or nothing, in one commit: after a crash at any moment the messages are acked and each output comes once, or nothing has happened. The messages are of one partition; the outputs go to any stations of the namespace. Asked again, it is answered as before.',
      body: {
        json: step.input,
        example: {
          receipts: ['0.1.1-1-9-0a1b2c3'],
          outputs: [{ station: 'invoices', messages: [{ payload: { total: 12 }, key: 'customer-7' }] }],
        },
      },
      answers: { 200: { about: 'It is done.', json: step.result, example: { acked: 1, produced: 1, repeated: false } } },
      codes: [
        'INVALID_REQUEST',
        'INVALID_NAME',
        'INVALID_RECEIPT',
        'LEASE_EXPIRED',
        'STATION_NOT_FOUND',
        'GROUP_NOT_FOUND',
        'MESSAGE_TOO_LARGE',
        'BATCH_TOO_LARGE',
        'UNSUPPORTED_MEDIA_TYPE',
        'LIMIT_EXCEEDED',
        'STORAGE_FULL',
      ],
      run: async (call) => {
        readQuery(call.request.url, {});
        const input = await readStep(call, service);
        return json(await call.broker.step(call.namespace, call.station, call.group, input));
      },
    },
  ];

  async function readStep(call: Call, { limits: { batchBytesMax } }: Service): Promise<StepInput> {
    const type = mediaType(call);
    if (type !== '' && type !== 'application/json') throw new WaysideError('UNSUPPORTED_MEDIA_TYPE', 'This call takes application/json.');
    const body = await readBody(call, { bytes: batchBytesMax * 2, code: 'BATCH_TOO_LARGE' });
    const given: Record<string, unknown> = {};
    const outputs: StepInput['outputs'][number][] = [];
    readJsonObject(body, (name, value) => {
      if (Object.hasOwn(given, name)) throw new WaysideError('INVALID_REQUEST', `The field "${name.slice(0, 64)}" is there twice.`);
      if (name === 'outputs') readJsonList(value, 'outputs', (item) => outputs.push(readOutput(item, outputs.length)));
      given[name] = name === 'outputs' ? [] : JSON.parse(UTF8.decode(value));
    });
    return { ...validated(step.head, given), outputs };
  }

  function readOutput(item: Uint8Array, index: number): StepInput['outputs'][number] {
    const builder = new BatchBuilder();
    const given: Record<string, unknown> = {};
    readJsonObject(item, (name, value) => {
      if (name === 'messages') readJsonMessages(value, (message, i) => appendGiven(builder, message, i, limits));
      given[name] = name === 'messages' ? [] : JSON.parse(UTF8.decode(value));
    });
    const { station, partition } = validated(step.output, given);
    if (builder.count === 0)
      throw new WaysideError('INVALID_REQUEST', `outputs.${index}.messages is empty; leave the output out.`, { field: 'outputs' });
    return { station, partition, batch: builder.finish() };
  }
}
