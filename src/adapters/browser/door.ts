/**
 * A page's side of doors: asking for one, and knowing when what is behind it is gone.
 *
 * Holds: a door that was opened ends when its worker does, within moments, by the lock that the worker holds: ports tell nobody.
 */
import { WaysideError } from '../../core/errors.ts';
import { lockFree } from './lock.ts';
import type { Channel, DoorOpened, DoorWanted } from './messages.ts';
import { commonChannel } from './messages.ts';
import { ownerLock } from './rows.ts';

/** A worker that starts loads its script and opens the database; slow machines take their time. */
const OPEN_MS_MAX = 10_000;
const KNOCK_MS = 50;

export interface Door {
  readonly channel: Channel;
  /** Resolves when the worker behind it is gone; never where it was closed before. */
  readonly gone: Promise<void>;
  close(): void;
}

/** How a page reaches the worker. */
export interface Way {
  readonly name: string;
  /** Hands a port to the worker; undefined where it belongs to another tab. */
  hand: ((message: DoorWanted, port: MessagePort) => void) | undefined;
  /** The lock that this page holds as long as it lives. */
  readonly alive: Promise<string>;
}

/** @throws UNAVAILABLE nobody opens it, or the broker cannot be opened. @param signal nobody waits any more */
export async function openDoor(way: Way, kind: DoorWanted['kind'], namespace: string | undefined, signal: AbortSignal): Promise<Door> {
  const wanted: DoorWanted = { wayside: 'door', kind, namespace, alive: await way.alive };
  const isDistant = way.hand === undefined;
  const { channel, knock } = way.hand === undefined ? distant(way.name, wanted) : near(way.hand, wanted);
  const over = new AbortController();
  const close = () => {
    over.abort();
    channel.close();
  };
  try {
    await opened(channel, knock, signal, isDistant ? () => way.hand === undefined : undefined);
  } catch (error) {
    close();
    throw error;
  }
  return { channel, gone: goneOf(way.name, over.signal), close };
}

function near(hand: NonNullable<Way['hand']>, wanted: DoorWanted) {
  const { port1, port2 } = new MessageChannel();
  return { channel: port1 as Channel, knock: () => hand(wanted, port2) };
}

/** On a channel of its own, which the worker is asked to join. */
function distant(name: string, wanted: DoorWanted) {
  const to = `${commonChannel(name)}:${crypto.randomUUID()}`;
  const channel: Channel = new BroadcastChannel(to);
  const knock = () => {
    const common = new BroadcastChannel(commonChannel(name));
    common.postMessage({ ...wanted, to } satisfies DoorWanted);
    common.close();
  };
  return { channel, knock };
}

/** @param isStill given: knocks again and again (nobody may listen yet), as long as that is the way to go */
function opened(channel: Channel, knock: () => void, signal: AbortSignal, isStill?: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => fail(new WaysideError('UNAVAILABLE', 'No tab or worker of this site answers. It is tried again.', { retryAfterMs: 200 })),
      OPEN_MS_MAX,
    );
    const again =
      isStill && setInterval(() => (isStill() ? knock() : fail(new WaysideError('UNAVAILABLE', 'This tab has the broker now.'))), KNOCK_MS);
    const end = () => {
      clearTimeout(timer);
      clearInterval(again);
    };
    const fail = (error: unknown) => {
      end();
      reject(error);
    };
    signal.addEventListener('abort', () => fail(signal.reason), { once: true });
    channel.onmessage = ({ data }: MessageEvent<DoorOpened>) => {
      if (!('opened' in data)) return;
      end();
      channel.onmessage = null;
      if (data.opened) resolve();
      else reject(new WaysideError('UNAVAILABLE', data.error.detail, { retryAfterMs: 200 }));
    };
    knock();
  });
}

async function goneOf(name: string, closed: AbortSignal): Promise<void> {
  try {
    await lockFree(ownerLock(name), closed);
  } catch (error) {
    if (closed.aborted) return new Promise(() => undefined);
    throw error;
  }
}
