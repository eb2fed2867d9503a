/** What every route needs to do its work: made once, by createGateway. */
import type { Limits } from '../../core/limits.ts';
import type { Journal } from '../../core/ports.ts';
import type { Runtime, Schemas } from '../../protocol/schemas.ts';

export interface Service {
  readonly limits: Limits;
  readonly schemas: Schemas;
  readonly runtime: Runtime;
  readonly version: string;
  readonly journal: Journal;
}
