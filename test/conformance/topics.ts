/** Every topic of the suite, in the order in which they are best read. A new file is a new line here. */
import { access } from './access.ts';
import { badInput } from './bad-input.ts';
import type { Check } from './checks.ts';
import { deadLetters } from './dead-letters.ts';
import { dedup } from './dedup.ts';
import { delivery } from './delivery.ts';
import { framesJson, framesMsgpack } from './frames.ts';
import { framesBad } from './frames-bad.ts';
import { groups } from './groups.ts';
import { health } from './health.ts';
import { lasting } from './lasting.ts';
import { namespaces } from './namespaces.ts';
import { produce } from './produce.ts';
import { producers } from './producers.ts';
import { read } from './read.ts';
import { receipts } from './receipts.ts';
import { records } from './records.ts';
import { retention } from './retention.ts';
import { stations } from './stations.ts';
import { steps } from './steps.ts';
import { transfer } from './transfer.ts';

export const TOPICS: Readonly<Record<string, readonly Check[]>> = {
  health,
  stations,
  produce,
  producers,
  records,
  read,
  groups,
  receipts,
  delivery,
  'dead letters': deadLetters,
  steps,
  'export and import': transfer,
  deduplication: dedup,
  retention,
  'frames-json': framesJson,
  'frames-msgpack': framesMsgpack,
  'frames-bad': framesBad,
  namespaces,
  access,
  'bad input': badInput,
  lasting,
};
