/**
 * The calls by which a program changes a folder, recorded, and made to end at one of them: from there on none does anything, as
 * in a process that was killed. Has to be called before what captures functions of `node:fs` is loaded.
 */
import fs from 'node:fs';

export interface DyingFs {
  /** Names of the calls since `reset`. */
  readonly calls: string[];
  /** All calls from this one on (counted from 0) fail, with `code`; a write does a half of it before. */
  reset(dieAt?: number, code?: string): void;
  /** Syncs of a folder wait for it. */
  hold: Promise<void> | undefined;
}

type Call = (...args: unknown[]) => unknown;

export function dyingFs(): DyingFs {
  let last = Infinity;
  let code = 'EIO';
  const dying: DyingFs = {
    calls: [],
    reset(dieAt = Infinity, with_ = 'EIO') {
      dying.calls.length = 0;
      last = dieAt;
      code = with_;
    },
    hold: undefined,
  };
  /** @param half what is still done of the call that fails */
  const watch = (owner: object, name: string, half?: (real: Call, args: unknown[]) => unknown): void => {
    const real = (Reflect.get(owner, name) as Call).bind(owner);
    const value: Call = (...args) => {
      const isLast = dying.calls.length === last;
      const isDead = dying.calls.push(name) > last;
      const dead = () => Object.assign(new Error('The process is dead.'), { code, syscall: name });
      if (isLast && half !== undefined) return Promise.resolve(half(real, args)).then(() => Promise.reject(dead()));
      if (isDead) throw dead();
      return name === 'sync' && dying.hold !== undefined ? dying.hold.then(() => real(...args)) : real(...args);
    };
    Object.defineProperty(owner, name, { value, configurable: true, writable: true });
  };
  const open = fs.promises.open;
  fs.promises.open = async (...args) => {
    const handle = await open(...args);
    watch(handle, 'write', (real, [bytes, from, length, at]) => real(bytes, from, Math.floor(Number(length) / 2), at));
    watch(handle, 'sync');
    return handle;
  };
  for (const name of ['open', 'unlink']) watch(fs.promises, name);
  for (const name of ['fdatasync', 'linkSync', 'unlinkSync']) watch(fs, name);
  return dying;
}
