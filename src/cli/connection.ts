/**
 * The broker that a command speaks to.
 *
 * Holds: an address at which nobody answers ends the command at once, with what to do; once there was an answer, a lost
 * connection is waited for, and said.
 * Elsewhere: retrying, batching, what an error means (the SDK in client/).
 */
import type { ConnectOptions, Wayside } from '../client/index.ts';
import { connect } from '../client/index.ts';
import { Failed } from './command.ts';
import type { Output } from './output.ts';
import { shownDuration } from './units.ts';

export interface ConnectionOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
}

export class Connection {
  /** Rejects when the broker turns out not to be there; never resolves. */
  readonly failed: Promise<never>;
  readonly url: string;
  readonly #options: ConnectionOptions;
  readonly #out: Output;
  #fail!: (error: Error) => void;
  #open: Wayside | undefined;

  constructor(options: ConnectionOptions, out: Output) {
    this.url = options.url;
    this.#options = options;
    this.#out = out;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // It may fail when nobody asks any more.
    this.failed.catch(() => {});
  }

  connect(options: Pick<ConnectOptions, 'transport' | 'timeoutMs'> = {}): Wayside {
    const { url, token, namespace } = this.#options;
    let state: 'new' | 'connected' | 'lost' = 'new';
    this.#open ??= connect(url, {
      ...options,
      ...(token !== undefined && { token }),
      ...(namespace !== undefined && { namespace }),
      onStatus: ({ state: now, error, retryInMs }) => {
        if (now === 'connected') {
          if (state === 'lost') this.#out.note('Connected again.');
          state = 'connected';
        } else if (now === 'disconnected' && state === 'new') {
          // Without a time for the next try there is a reason that trying does not mend: a credential, another protocol.
          const isLasting = retryInMs === undefined && error !== undefined;
          this.#fail(isLasting ? error : new Failed(`No broker answers at ${url}. Start one: npx wayside serve`));
        } else if (now === 'disconnected' && state === 'connected') {
          state = 'lost';
          this.#out.note(
            `The connection to ${url} is lost; trying again${retryInMs === undefined ? '' : ` in ${shownDuration(retryInMs)}`} …`,
          );
        }
      },
    });
    return this.#open;
  }

  get options(): ConnectionOptions {
    return this.#options;
  }

  async close(): Promise<void> {
    await this.#open?.close();
  }
}
