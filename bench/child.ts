/** A measurement in a process of its own, so that memory is that of one thing alone. Resolves with what it sends. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

export async function inChild<T>(file: string, args: string[]): Promise<T> {
  const child = fork(`${import.meta.dirname}/${file}`, args, { execArgv: ['--expose-gc'] });
  const said = await Promise.race([
    once(child, 'message').then(([message]) => message as T),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${code} before it said anything.`))),
  ]);
  if (child.exitCode === null) await once(child, 'exit');
  return said;
}
