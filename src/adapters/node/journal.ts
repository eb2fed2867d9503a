/** What a broker tells its operator: a line each on standard error, with the time and how grave it is. */
import { styleText } from 'node:util';
import type { Journal } from '../../core/ports.ts';

export function stderrJournal(): Journal {
  const line = (level: string, colour: 'cyan' | 'yellow' | 'red', text: string) => {
    const time = new Date().toISOString();
    const word = level.padEnd(5);
    const coloured = process.stderr.isTTY ? `${styleText('dim', time)} ${styleText(colour, word)}` : `${time} ${word}`;
    // One line each, whatever the text brings: a log is read by line, and a name in it must not forge one.
    const rest = [...text.split(/\r\n|\r|\n/)].map((part) => part.replaceAll(/\p{Cc}/gu, ' ')).join('\n    ');
    process.stderr.write(`${coloured} ${rest}\n`);
  };
  return {
    info: (text) => line('info', 'cyan', text),
    warn: (text) => line('warn', 'yellow', text),
    error: (text) => line('error', 'red', text),
  };
}
