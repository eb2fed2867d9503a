/**
 * What a command is: its options and examples as data, from which parsing, help and completion are made, and what it runs.
 *
 * Holds: a command says nothing of process, argv or colours; it gets parsed values and an `Output`, and throws `Usage` for
 * what the caller typed wrong, or lets a WaysideError go.
 * Elsewhere: the table of all commands (commands.ts), parsing (args.ts), who runs them (run.ts).
 */
import type { ConnectOptions, Wayside } from '../client/index.ts';
import type { TransferOptions } from '../client/transfer.ts';
import type { Place } from '../core/calls.ts';
import type { Output } from './output.ts';

export interface Command {
  readonly name: string;
  /** One sentence, for the list of commands and the head of the help. */
  readonly summary: string;
  /** What the options and examples cannot say. */
  readonly about?: string;
  readonly words: readonly Word[];
  readonly options: Options;
  readonly examples: readonly Example[];
  /** It sees to `signal` itself; without this Ctrl-C ends the process at once. */
  readonly ends?: true;
  /** It speaks to no broker: the SDK is not loaded. */
  readonly local?: true;
  /** Of a command with commands of its own, such as `station create`, there is nothing to run. */
  readonly commands?: readonly Command[];
  run(context: Context): Promise<void>;
}

/** A word on the command line that is no option. */
export interface Word {
  readonly name: string;
  readonly help: string;
  readonly optional?: true;
  /** The last one may be given several times. */
  readonly many?: true;
  readonly complete?: Completion;
}

export interface Option {
  /**
   * `duration` in milliseconds, from 250, 10s, 5m, 1h, 7d; `size` in bytes, from 1000, 64KiB, 10MB; `count` a whole number;
   * `number` any number; `place` a sequence, start, end, a time or how long ago.
   */
  readonly type: 'flag' | 'text' | 'count' | 'number' | 'duration' | 'size' | 'place';
  readonly help: string;
  /** One letter. */
  readonly short?: string;
  /** What the help calls the value. */
  readonly value?: string;
  /** As it would be typed. */
  readonly default?: string;
  /** What happens without it, where that is no value. */
  readonly without?: string;
  /** It may be given several times. */
  readonly many?: true;
  /** `none` is allowed, and is null. */
  readonly none?: true;
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  readonly complete?: Completion;
}

export type Completion = 'station' | 'group' | 'file' | 'folder';
export type Options = Readonly<Record<string, Option>>;

export interface Example {
  readonly line: string;
  readonly says: string;
}

type One<P extends Option> = P['type'] extends 'flag'
  ? boolean
  : P['type'] extends 'text'
    ? P extends { choices: readonly (infer C)[] }
      ? C
      : string
    : P['type'] extends 'place'
      ? Place
      : number;

type Value<P extends Option> = P extends { many: true }
  ? readonly One<P>[]
  : P['type'] extends 'flag'
    ? boolean
    : One<P> | (P extends { none: true } ? null : never) | (P extends { default: string } ? never : undefined);

/** What was typed, by the option's name: `maxAge` is `--max-age`. */
export type Values<O extends Options> = { readonly [N in keyof O]: Value<O[N]> };

export interface Context<O extends Options = Options> {
  readonly options: Values<O>;
  /** As many as `Command.words` allows. */
  readonly words: readonly string[];
  readonly out: Output;
  readonly url: string;
  /** Of --token; the environment's is not in it. */
  readonly token: string | undefined;
  /** Aborted by the first Ctrl-C, and when nobody reads standard output any more; of use to commands with `ends`. */
  readonly signal: AbortSignal;
  /** The broker of --url and the credential, for what is a stream of its own. @param onLost told of a lost connection */
  transfer(onLost: TransferOptions['onLost']): TransferOptions & { readonly url: string };
  /** The broker of --url: one connection, closed when the command is over. */
  connect(options?: Pick<ConnectOptions, 'transport' | 'timeoutMs'>): Wayside;
}

/** Gives the options their types in `run`. */
export function defineCommand<const O extends Options>(command: {
  readonly name: string;
  readonly summary: string;
  readonly about?: string;
  readonly words?: readonly Word[];
  readonly options?: O;
  readonly examples: readonly Example[];
  readonly ends?: true;
  readonly local?: true;
  run(context: Context<O>): Promise<void>;
}): Command {
  return { words: [], ...command, options: command.options ?? {} } as Command;
}

/** A noun whose verbs are commands: `wayside station create`. */
export function defineNoun(noun: Pick<Command, 'name' | 'summary' | 'about' | 'examples'> & { commands: readonly Command[] }): Command {
  return {
    ...noun,
    words: [],
    options: {},
    run() {
      throw new TypeError(`${noun.name} has commands of its own.`);
    },
  };
}

/** The caller typed something that cannot be: one line, exit code 2. */
export class Usage extends Error {
  override readonly name = 'Usage';
}

/** The command could not do what it was asked, for a reason that the caller can see to: one line, exit code 1. */
export class Failed extends Error {
  override readonly name = 'Failed';
}
