/** The SDK: one interface to a broker over WebSocket, plain HTTP, or in process. All that is public of it. */
export type {
  Audit,
  AuditResult,
  Backoff,
  BackoffInput,
  DeadLetterConfig,
  DeadReason,
  GroupConfig,
  GroupHead,
  GroupInfo,
  GroupInput,
  Order,
  PartitionCounts,
  PendingInfo,
  Place,
  RedriveResult,
  Retention,
  ScheduleInfo,
  StationConfig,
  StationHead,
  StationInfo,
  StationInput,
} from '../core/calls.ts';
export type { Code } from '../core/errors.ts';
export type { ClientFrame, ServerFrame } from '../protocol/frames.ts';
export type { ClientClock } from './clock.ts';
export { systemClock } from './clock.ts';
export type { LinkOptions } from './connect.ts';
export { connect, connectLink } from './connect.ts';
export type { Consumer, HandleOptions } from './consume/handle.ts';
export type { ConsumeOptions } from './consume/intake.ts';
export type { Message, StoredMessage } from './consume/message.ts';
export type { Messages } from './consume/messages.ts';
export type { DeadLetter, DeadLetterChoice, DeadLetterFilter, DeadLetters, RedriveBounds, RedriveTarget } from './dead-letters.ts';
export type { ErrorDetail, Outcome } from './errors.ts';
export { WaysideError } from './errors.ts';
export type { Link, LinkEnd } from './frames/link.ts';
export type { WebSocketClass, WebSocketLike } from './frames/websocket.ts';
export type { FetchOptions, Group, SeekOptions } from './group.ts';
export type { ConnectOptions, Status } from './options.ts';
export type { Where } from './place.ts';
export type { MessageOptions, NewMessage, Produced } from './produce/message.ts';
export type { BatchOptions, ProduceOptions, Producer, ProducerOptions } from './produce/producer.ts';
export type { ReadOptions } from './read.ts';
export type { StandardIssue, StandardResult, StandardSchemaV1 } from './schema.ts';
export type { ProducedMany, PurgeOptions, Station, StationOptions, VersionOptions } from './station.ts';
export type { Answer } from './transport.ts';
export type { Health, Wayside } from './wayside.ts';
