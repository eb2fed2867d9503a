/**
 * `wayside completion SHELL`, and what completes: commands, options, their values, names of stations and groups.
 *
 * Holds: the shells ask `wayside __complete WORDS…` with the words so far, the last one being typed; a line a candidate, with
 * a tab and an explanation for the shells that show one. So there is one place that knows what completes. A broker that
 * does not answer at once has no names.
 * Elsewhere: what there is (commands.ts, and the commands).
 */
import { readUrl } from './address.ts';
import { GLOBAL, kebab, splitCommand } from './args.ts';
import type { Command, Completion, Option, Options } from './command.ts';
import { defineCommand, Usage } from './command.ts';
import { ROWS } from './commands.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const command = defineCommand({
  name: 'completion',
  summary: 'Print what makes your shell complete wayside commands.',
  words: [{ name: 'SHELL', help: 'bash, zsh or fish.' }],
  local: true,
  examples: [
    { line: 'eval "$(wayside completion bash)"', says: 'In ~/.bashrc.' },
    { line: 'eval "$(wayside completion zsh)"', says: 'In ~/.zshrc, behind compinit.' },
    { line: 'wayside completion fish > ~/.config/fish/completions/wayside.fish', says: 'For fish, once.' },
  ],
  async run({ words: [shell = ''], out }) {
    if (!isShell(shell)) throw new Usage(`SHELL is ${JSON.stringify(shell)}; it takes ${SHELLS.join(', ')}.`);
    out.write(SCRIPTS[shell]);
  },
});

function isShell(text: string): text is (typeof SHELLS)[number] {
  return (SHELLS as readonly string[]).includes(text);
}

/** A candidate of `:file` or `:folder` asks the shell for names of its own. */
const SCRIPTS: Record<(typeof SHELLS)[number], string> = {
  bash: `_wayside() {
  local line kind file word
  # A word such as --url=http://… or group:NAME is cut at = and : by readline: the words are taken from the line itself.
  local -a words
  read -ra words <<< "\${COMP_LINE:0:COMP_POINT}"
  [[ "\${COMP_LINE:0:COMP_POINT}" == *[[:space:]] ]] && words+=("")
  while [[ "\${words[0]}" == *=* ]]; do words=("\${words[@]:1}"); done
  word="\${words[\${#words[@]}-1]}"
  COMPREPLY=()
  while IFS=$'\\t' read -r line _; do
    case "$line" in
      :file | :folder)
        [[ "$line" == :file ]] && kind=file || kind=directory
        compopt -o filenames 2>/dev/null
        while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -A "$kind" -- "$word") ;;
      *) COMPREPLY+=("$line") ;;
    esac
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  # What readline has cut off is there already.
  if [[ "$word" == *[=:]* && "$COMP_WORDBREAKS" == *[=:]* ]]; then
    local cut="\${word%"\${word##*[=:]}"}"
    COMPREPLY=("\${COMPREPLY[@]#"$cut"}")
  fi
}
complete -F _wayside wayside
`,
  zsh: `#compdef wayside
_wayside() {
  local line
  local -a candidates
  local -a parts
  while IFS= read -r line; do
    parts=("\${(@ps:\\t:)line}")
    case "$parts[1]" in
      :file) _files; return ;;
      :folder) _files -/; return ;;
      *) candidates+=("\${parts[1]//:/\\\\:}\${parts[2]:+:$parts[2]}") ;;
    esac
  done < <("$words[1]" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe 'wayside' candidates
}
if [ "$funcstack[1]" = "_wayside" ]; then
  _wayside "$@"
else
  compdef _wayside wayside
fi
`,
  fish: `function __wayside_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
    switch $line
      case ':file*'
        __fish_complete_path (commandline -ct)
      case ':folder*'
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c wayside -f -a '(__wayside_complete)'
`,
};

/** @param words what was typed behind `wayside`, the last one being typed still (it may be empty) */
export async function completions(words: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  const typing = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const { command: found, at, options, args } = await where(before);
  const expecting = before.at(-1)?.startsWith('-') ? optionNamed(before.at(-1) ?? '', options) : undefined;
  if (expecting && expecting.type !== 'flag') return valuesOf(expecting, typing, '', args, env);
  const [, name = '', value] = /^(--[a-z-]+)=(.*)$/s.exec(typing) ?? [];
  const inline = value === undefined ? undefined : optionNamed(name, options);
  if (inline && value !== undefined) return valuesOf(inline, value, `${name}=`, args, env);
  if (typing.startsWith('-')) return matching(optionCandidates(options), typing);
  if (at !== undefined) return matching(at, typing);
  if (found === undefined) return [];
  const word = found.words[Math.min(args.length, found.words.length - 1)];
  if (word === undefined || (args.length >= found.words.length && !word.many)) return [];
  if (found.name === 'completion')
    return matching(
      SHELLS.map((shell) => [shell, '']),
      typing,
    );
  return matching(await named(word.complete, args[0], before, env), typing);
}

interface Where {
  readonly command: Command | undefined;
  /** Commands that may come here. */
  readonly at: [string, string][] | undefined;
  readonly options: Options;
  /** The command's own words so far. */
  readonly args: readonly string[];
}

async function where(before: readonly string[]): Promise<Where> {
  const { words, rest } = splitCommand(before, 1);
  const [name] = words;
  const rows = ROWS.map(({ name: each, summary }): [string, string] => [each, summary]);
  if (name === undefined) return { command: undefined, at: [...rows, ['help', 'Explain a command.']], options: GLOBAL, args: [] };
  if (name === 'help') return where(rest);
  const row = ROWS.find((each) => each.name === name);
  if (row === undefined) return { command: undefined, at: undefined, options: GLOBAL, args: [] };
  const { command: noun } = await row.load();
  if (!noun.commands) return { command: noun, at: undefined, options: { ...GLOBAL, ...noun.options }, args: wordsIn(rest, noun.options) };
  const inner = splitCommand(rest, 1);
  const verb = noun.commands.find((each) => each.name === inner.words[0]);
  if (verb === undefined) {
    const at = inner.words.length === 0 ? noun.commands.map((each): [string, string] => [each.name, each.summary]) : undefined;
    return { command: undefined, at, options: GLOBAL, args: [] };
  }
  return { command: verb, at: undefined, options: { ...GLOBAL, ...verb.options }, args: wordsIn(inner.rest, verb.options) };
}

/** The words that are neither options nor their values. */
function wordsIn(args: readonly string[], options: Options): string[] {
  const all = { ...GLOBAL, ...options };
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (!arg.startsWith('-')) words.push(arg);
    else if (!arg.includes('=') && (optionNamed(arg, all)?.type ?? 'flag') !== 'flag') at++;
  }
  return words;
}

function optionNamed(text: string, options: Options): Option | undefined {
  return Object.entries(options).find(
    ([key, { short }]) => text === `--${kebab(key)}` || (short !== undefined && text === `-${short}`),
  )?.[1];
}

function optionCandidates(options: Options): [string, string][] {
  return Object.entries(options).map(([key, { help }]) => [`--${kebab(key)}`, help]);
}

async function valuesOf(
  option: Option,
  typing: string,
  prefix: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const candidates: [string, string][] = option.choices
    ? option.choices.map((choice) => [choice, ''])
    : option.type === 'place'
      ? [
          ['start', 'The first message.'],
          ['end', 'Behind the last one.'],
        ]
      : await named(option.complete, args[0], [], env);
  return matching(candidates, typing).map((line) => (line.startsWith(':') ? line : `${prefix}${line}`));
}

function matching(candidates: readonly (readonly [string, string])[], typing: string): string[] {
  return candidates
    .filter(([name]) => name.startsWith(':') || name.startsWith(typing))
    .map(([name, help]) => (help === '' ? name : `${name}\t${help.replaceAll(/\s+/g, ' ')}`));
}

/** Somebody is waiting at the prompt. */
const ANSWER_MS_MAX = 800;

/** Names of files are the shell's to know, those of stations and groups the broker's. */
async function named(
  complete: Completion | undefined,
  station: string | undefined,
  before: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<[string, string][]> {
  if (complete === undefined) return [];
  if (complete === 'file' || complete === 'folder') return [[`:${complete}`, '']];
  const typed = before.indexOf('--url');
  const base = readUrl((typed >= 0 ? before[typed + 1] : undefined) ?? (env.WAYSIDE_URL || GLOBAL.url.default), '--url').replace(
    /^ws/,
    'http',
  );
  if (complete === 'group' && station === undefined) return [];
  const path = complete === 'station' ? 'stations' : `stations/${encodeURIComponent(station ?? '')}/groups`;
  const response = await fetch(`${base}/v1/${path}?limit=1000`, {
    headers: env.WAYSIDE_TOKEN ? { authorization: `Bearer ${env.WAYSIDE_TOKEN}` } : {},
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  if (!response.ok) return [];
  const { items } = (await response.json()) as { items: { name: string }[] };
  return items.map(({ name }) => [name, '']);
}
