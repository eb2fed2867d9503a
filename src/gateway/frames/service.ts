/** What every session needs to do its work: made once, with the gateway. */
import type { Broker } from '../../core/calls.ts';
import type { Limits } from '../../core/limits.ts';
import type { Clock, Journal, Timers } from '../../core/ports.ts';
import type { Dispatch } from './call.ts';
import type { Sessions } from './sessions.ts';

export interface FrameService {
  readonly broker: Broker;
  readonly limits: Limits;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly sessions: Sessions;
  readonly dispatch: Dispatch;
  /** Names a session: short, and no other's. */
  newId(): string;
}
