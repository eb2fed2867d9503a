/**
 * docs/reference: every public type, from its own docstring.
 *
 *     npm run reference             writes the pages
 *     npm run reference -- --check  refuses where a page is not what the source says, or something public has no docstring
 *
 * The compiler that checks this project has no API yet, so the pages are drawn with the one before it (typescript-api).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript-api';
import { ROOT } from './steps.ts';

interface Entry {
  readonly name: string;
  readonly source: string;
  readonly page: string;
  readonly about: string;
}

const ENTRIES: readonly Entry[] = [
  {
    name: 'wayside',
    source: 'src/client/index.ts',
    page: 'docs/reference/client.md',
    about: 'The SDK: in browsers, Node, Deno, Bun and Workers.',
  },
  {
    name: 'wayside/steps',
    source: 'src/client/steps.ts',
    page: 'docs/reference/steps.md',
    about: 'Exactly-once steps, for whoever needs them: beside the SDK, so that others need not load them.',
  },
  {
    name: 'wayside/transfer',
    source: 'src/client/transfer.ts',
    page: 'docs/reference/transfer.md',
    about: 'Export and import of stations, as streams that are gone on with where a connection broke off.',
  },
  {
    name: 'wayside/testing',
    source: 'src/adapters/memory/testing.ts',
    page: 'docs/reference/testing.md',
    about: 'The whole broker in a test, on a virtual clock.',
  },
  {
    name: 'wayside/node',
    source: 'src/adapters/node/index.ts',
    page: 'docs/reference/node.md',
    about: 'The broker in a process of Node, Deno or Bun.',
  },
  {
    name: 'wayside/browser',
    source: 'src/adapters/browser/index.ts',
    page: 'docs/reference/browser.md',
    about: 'The broker in a worker of the browser, shared by all tabs of a site.',
  },
  {
    name: 'wayside/browser/service-worker',
    source: 'src/adapters/browser/service-worker.ts',
    page: 'docs/reference/service-worker.md',
    about: 'The HTTP API for `fetch` of the same site, in a Service Worker.',
  },
  {
    name: 'wayside/cloudflare',
    source: 'src/adapters/cloudflare/worker.ts',
    page: 'docs/reference/cloudflare.md',
    about: 'The Worker (the default export), and the Durable Object that has the broker.',
  },
];

const KINDS = ['Functions', 'Classes', 'Interfaces', 'Types', 'Constants'] as const;
type Kind = (typeof KINDS)[number];

interface Item {
  readonly name: string;
  readonly kind: Kind;
  readonly symbol: ts.Symbol;
  readonly declarations: readonly ts.Declaration[];
}

const problems: string[] = [];
const isCheck = process.argv.includes('--check');
const program = ts.createProgram(
  ENTRIES.map(({ source }) => join(ROOT, source)),
  {
    target: ts.ScriptTarget.ES2024,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
    resolveJsonModule: true,
    types: ['node'],
    lib: ['lib.es2024.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.esnext.disposable.d.ts'],
  },
);
const checker = program.getTypeChecker();
const printer = ts.createPrinter({ removeComments: true });

for (const entry of ENTRIES) settle(entry, pageOf(entry));
for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log(isCheck ? 'The reference is what the source says.' : `${ENTRIES.length} pages written.`);
process.exit(problems.length === 0 ? 0 : 1);

function settle({ page }: Entry, text: string): void {
  const file = join(ROOT, page);
  if (!isCheck) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return;
  }
  if (read(file) !== text) problems.push(`${page} is not what the source says. Run: npm run reference`);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // not written yet: differs from any page
  }
}

function pageOf({ name, source, about }: Entry): string {
  const items = itemsOf(source);
  const names = new Set(items.map((item) => item.name));
  const lines = [`# \`${name}\``, '', about, '', `Drawn from the docstrings of [${source}](../../${source}) by \`npm run reference\`.`, ''];
  for (const kind of KINDS) {
    const group = items.filter((item) => item.kind === kind);
    if (group.length > 0) lines.push(`**${kind}:** ${group.map((item) => link(item.name)).join(' · ')}`, '');
  }
  for (const item of items) lines.push(...sectionOf(item, names));
  return `${lines.join('\n').trimEnd()}\n`;
}

function itemsOf(source: string): Item[] {
  const file = program.getSourceFile(join(ROOT, source));
  const module = file && checker.getSymbolAtLocation(file);
  if (module === undefined) throw new TypeError(`${source} exports nothing.`);
  const items = checker.getExportsOfModule(module).map((exported): Item => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const declarations = symbol.declarations ?? [];
    return { name: exported.name, kind: kindOf(declarations[0]), symbol, declarations };
  });
  return items.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || (a.name < b.name ? -1 : 1));
}

function kindOf(declaration: ts.Declaration | undefined): Kind {
  if (declaration === undefined) throw new TypeError('an export without a declaration');
  if (ts.isFunctionDeclaration(declaration)) return 'Functions';
  if (ts.isClassDeclaration(declaration)) return 'Classes';
  if (ts.isInterfaceDeclaration(declaration)) return 'Interfaces';
  return ts.isTypeAliasDeclaration(declaration) ? 'Types' : 'Constants';
}

function sectionOf({ name, symbol, declarations }: Item, names: ReadonlySet<string>): string[] {
  const [declaration] = declarations;
  const about = proseOf(symbol);
  if (about.length === 0) problems.push(`${placeOf(declaration!)}: ${name} has no docstring.`);
  const heads = declarations.filter((each) => !('body' in each && each.body && declarations.length > 1));
  const lines = [`## ${name}`, '', '```ts', ...heads.map(headOf), '```', '', ...about, ...(about.length > 0 ? [''] : [])];
  const members = declarations.flatMap((each) => membersOf(each));
  for (const member of members) lines.push(...memberLines(name, member));
  if (members.length > 0) lines.push('');
  const uses = usesOf(declarations, names, name);
  if (uses.length > 0) lines.push(`See ${uses.map(link).join(', ')}.`, '');
  return lines;
}

/** A declaration without what its members say for themselves. */
function headOf(declaration: ts.Declaration): string {
  if (ts.isInterfaceDeclaration(declaration) || ts.isClassDeclaration(declaration)) {
    const parts = [ts.isClassDeclaration(declaration) ? 'class' : 'interface', declaration.name?.text ?? ''];
    const types = declaration.typeParameters?.map(textOf).join(', ');
    const heritage = declaration.heritageClauses?.map(textOf).join(' ');
    return `${parts.join(' ')}${types ? `<${types}>` : ''}${heritage ? ` ${heritage}` : ''}`;
  }
  if (ts.isFunctionDeclaration(declaration)) {
    const { typeParameters, parameters, type } = declaration;
    const node = ts.factory.createFunctionDeclaration(undefined, undefined, declaration.name, typeParameters, parameters, type, undefined);
    return print(node, declaration);
  }
  if (ts.isVariableDeclaration(declaration))
    return `const ${declaration.name.getText()}: ${checker.typeToString(checker.getTypeAtLocation(declaration))}`;
  return print(declaration, declaration).replace(/^export (declare )?/, '');
}

function membersOf(declaration: ts.Declaration): (ts.TypeElement | ts.ClassElement)[] {
  const members: readonly (ts.TypeElement | ts.ClassElement)[] =
    ts.isInterfaceDeclaration(declaration) || ts.isClassDeclaration(declaration)
      ? [...declaration.members]
      : ts.isTypeAliasDeclaration(declaration) && ts.isTypeLiteralNode(declaration.type)
        ? [...declaration.type.members]
        : [];
  return members.filter((member) => !isHidden(member));
}

function isHidden(member: ts.TypeElement | ts.ClassElement): boolean {
  const flags = ts.getCombinedModifierFlags(member);
  if (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Override)) return true;
  if (ts.isConstructorDeclaration(member)) return ts.getJSDocTags(member).some(({ tagName }) => tagName.text === 'internal');
  return member.name === undefined ? !ts.isCallSignatureDeclaration(member) : ts.isPrivateIdentifier(member.name) || isInternal(member);
}

function isInternal(member: ts.Node): boolean {
  return ts.getJSDocTags(member).some(({ tagName }) => tagName.text === 'internal');
}

function memberLines(owner: string, member: ts.TypeElement | ts.ClassElement): string[] {
  const symbol = member.name && checker.getSymbolAtLocation(member.name);
  const about = symbol ? proseOf(symbol) : commentsOf(member);
  if (about.length === 0) problems.push(`${placeOf(member)}: ${owner}.${member.name?.getText() ?? 'constructor'} has no docstring.`);
  // A member that has only tags to say begins with none of them.
  const [first = '', ...rest] = about[0]?.startsWith('- ') ? ['', ...about] : about;
  return [
    `- \`${signatureOf(member)}\`${first === '' ? '' : ` — ${first}`}`,
    ...rest.filter((line) => line !== '').map((line) => `  ${line}`),
  ];
}

function signatureOf(member: ts.TypeElement | ts.ClassElement): string {
  if (ts.isGetAccessorDeclaration(member)) return `readonly ${member.name.getText()}: ${member.type ? textOf(member.type) : 'unknown'}`;
  if (ts.isMethodDeclaration(member) || ts.isConstructorDeclaration(member)) {
    const name = ts.isConstructorDeclaration(member) ? 'constructor' : member.name.getText();
    const types = member.typeParameters?.map(textOf).join(', ');
    const answer = member.type ? `: ${textOf(member.type)}` : '';
    return `${name}${types ? `<${types}>` : ''}(${member.parameters.map(textOf).join(', ')})${answer}`;
  }
  return print(member, member).replace(/;$/, '').replaceAll(/\s+/g, ' ');
}

/** The docstring's text, then what it says of parameters, the answer and refusals. */
function proseOf(symbol: ts.Symbol): string[] {
  const text = oneLine(ts.displayPartsToString(symbol.getDocumentationComment(checker)));
  const tags = symbol.getJsDocTags(checker).flatMap(({ name, text: parts }) => tagLine(name, oneLine(ts.displayPartsToString(parts))));
  return withTags(text, tags);
}

function commentsOf(node: ts.Node): string[] {
  const [comment] = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  const text = oneLine(ts.getTextOfJSDocComment(comment?.comment) ?? '');
  const tags = comment?.tags?.flatMap((tag) => tagLine(tag.tagName.text, oneLine(ts.getTextOfJSDocComment(tag.comment) ?? ''))) ?? [];
  return withTags(text, tags);
}

function withTags(text: string, tags: string[]): string[] {
  if (text === '') return tags;
  return tags.length === 0 ? [text] : [text, '', ...tags];
}

function tagLine(name: string, text: string): string[] {
  if (name === 'param') {
    const [parameter = '', ...words] = text.split(' ');
    return [`- \`${parameter}\`: ${words.join(' ').replace(/^- /, '')}`];
  }
  if (name === 'throws') return [`- throws ${text}`];
  if (name === 'returns') return [`- gives ${text}`];
  return name === 'example' ? [`- for example: ${text}`] : [];
}

function usesOf(declarations: readonly ts.Declaration[], names: ReadonlySet<string>, self: string): string[] {
  const found = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isBlock(node)) return;
    if (ts.isIdentifier(node) && names.has(node.text) && node.text !== self) found.add(node.text);
    ts.forEachChild(node, visit);
  };
  for (const declaration of declarations) ts.forEachChild(declaration, visit);
  return [...found].sort();
}

function placeOf(node: ts.Node): string {
  const file = node.getSourceFile();
  const { line } = file.getLineAndCharacterOfPosition(node.getStart());
  return `${file.fileName.slice(ROOT.length + 1)}:${line + 1}`;
}

function print(node: ts.Node, from: ts.Node): string {
  return printer.printNode(ts.EmitHint.Unspecified, node, from.getSourceFile());
}

function textOf(node: ts.Node): string {
  return node.getText().replaceAll(/\s+/g, ' ');
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}

function link(name: string): string {
  return `[${name}](#${name.toLowerCase()})`;
}
