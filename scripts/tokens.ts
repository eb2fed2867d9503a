/**
 * TypeScript source as tokens: enough to find imports and names without being fooled by comments, texts, templates or
 * regular expressions. It knows no grammar. (TypeScript 7 has no parser to call.)
 */

export type Token = { kind: 'word' | 'string' | 'comment' | 'template' | 'regex' | 'number' | 'sign'; text: string; line: number };

/** Tried in this order at each place. */
const PATTERNS: [Token['kind'] | 'space', RegExp][] = [
  ['space', /\s+/y],
  ['comment', /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y],
  ['string', /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y],
  ['number', /\d(?:[eE][+-]\d|[\w.])*/y],
  ['word', /[\p{ID_Start}$_#@][\p{ID_Continue}$\u200c\u200d]*/uy],
  ['regex', /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y],
];
/** Text of a template up to its end or to the next `${`. */
const TEMPLATE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{|$)/y;
/** After these words a slash begins a regular expression. */
const OPENS = /^(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield|instanceof)$/;

export function tokens(source: string): Token[] {
  const list: Token[] = [];
  /** For each template that we are inside of: how many braces are open in its `${`. */
  const templates: number[] = [];
  let at = 0;
  let line = 1;

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const push = (kind: Token['kind'] | 'space', raw: string) => {
    if (kind !== 'space') list.push({ kind, text: kind === 'string' ? raw.slice(1, -1) : raw, line });
    at += raw.length;
    line += raw.split('\n').length - 1;
  };
  const pushTemplate = () => {
    const raw = take(TEMPLATE) ?? '';
    push('template', raw);
    if (raw.endsWith('${')) templates.push(0);
  };
  const pushSign = (sign: string) => {
    const depth = templates.at(-1);
    push('sign', sign);
    if (sign === '`') return pushTemplate();
    if (depth === undefined) return;
    if (sign === '{') templates[templates.length - 1] = depth + 1;
    if (sign !== '}') return;
    if (depth > 0) {
      templates[templates.length - 1] = depth - 1;
    } else {
      templates.pop();
      pushTemplate();
    }
  };

  while (at < source.length) {
    const hit = PATTERNS.find(([kind, pattern]) => (kind !== 'regex' || beginsRegex(list)) && take(pattern) !== undefined);
    if (hit) push(hit[0], take(hit[1]) as string);
    else pushSign(source[at] as string);
  }
  return list;
}

function beginsRegex(list: Token[]): boolean {
  const last = list.findLast(({ kind }) => kind !== 'comment');
  if (last === undefined) return true;
  if (last.kind === 'sign') return last.text !== ')' && last.text !== ']' && last.text !== '}';
  return last.kind === 'word' && OPENS.test(last.text);
}
