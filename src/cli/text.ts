/**
 * Text on a terminal: colours, how wide it is there, and what must not reach it.
 *
 * Holds: `width` counts columns without colours; what comes from messages and names goes through `safe` before a terminal
 * sees it, so that no payload moves the cursor or forges a line.
 */
import { stripVTControlCharacters, styleText } from 'node:util';

type Ink = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
export type Paint = (ink: Ink, text: string) => string;

export const plain: Paint = (_, text) => text;
export const coloured: Paint = (ink, text) => (text === '' ? '' : styleText(ink, text, { validateStream: false }));

const segmenter = new Intl.Segmenter();
/** East Asian wide characters and emoji take two columns. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|^\p{Emoji_Presentation}/u;

/** Columns that a text takes. */
export function width(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let columns = 0;
  for (const { segment } of segmenter.segment(stripVTControlCharacters(text))) columns += WIDE.test(segment) ? 2 : 1;
  return columns;
}

/** The text, or as much of it as fits, ending with …; it has no colours. */
export function fitted(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let kept = '';
  let left = columns - 1;
  for (const { segment } of segmenter.segment(text)) {
    left -= WIDE.test(segment) ? 2 : 1;
    if (left < 0) break;
    kept += segment;
  }
  return columns < 1 ? '' : `${kept.trimEnd()}…`;
}

/** Control characters shown, not obeyed; line breaks too unless `lines` may stay. */
export function safe(text: string, lines: 'one' | 'many' = 'one'): string {
  return text.replaceAll(
    lines === 'one' ? /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu : /(?![\n\t])[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu,
    escaped,
  );
}

function escaped(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\t') return '\\t';
  if (character === '\r') return '\\r';
  const code = character.charCodeAt(0);
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
}

/** Words broken into lines of at most so many columns; line breaks in the text stay. */
export function wrapped(text: string, columns: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = [];
    let line = '';
    for (const word of paragraph.split(' ')) {
      const longer = line === '' ? word : `${line} ${word}`;
      if (line !== '' && width(longer) > columns) {
        lines.push(line);
        line = word;
      } else line = longer;
    }
    return [...lines, line];
  });
}
