#!/usr/bin/env node
/**
 * The command `wayside`. Plain JavaScript, so that any Node from 20 on can start it.
 *
 * Holds: a Node that runs our TypeScript as it is goes on in this process; an older one hands over to the one that npm
 * brought. What is not installed is said, and not installed behind the caller's back.
 * Elsewhere: the commands (src/cli).
 */
import { existsSync, readFileSync } from 'node:fs';
import * as module from 'node:module';
import { join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findNode, isAtLeast, ROOT, run, stop } from './node.mjs';

const MAIN = join(ROOT, 'src', 'cli', 'main.ts');

if (!existsSync(MAIN)) stop(`${MAIN} is missing: this installation is not whole. Install wayside again.`, 1);
const { resolve } = module.createRequire(import.meta.url);
for (const name of Object.keys(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).dependencies)) {
  if (!isThere(name)) stop(`The package ${name} is not installed. Run \`npm install\` in ${ROOT}, and this again.`, 1);
}
if (isAtLeast(22, 18)) {
  withoutWarning(/type ?strip|stripTypeScriptTypes/i);
  stripTypesHere();
  await import(pathToFileURL(MAIN).href);
} else run(findNode(), [fileURLToPath(import.meta.url), ...process.argv.slice(2)], process.cwd());

function isThere(name) {
  try {
    return resolve(`${name}/package.json`) !== '';
  } catch (error) {
    // A package that keeps its package.json to itself is there all the same.
    return error.code === 'ERR_PACKAGE_PATH_NOT_EXPORTED';
  }
}

/** That we are written in TypeScript is nothing to warn the caller about. */
function withoutWarning(about) {
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => about.test(String(warning)) || emitWarning.call(process, warning, ...rest);
}

/** Node strips no types below a folder node_modules, where an installed package lies: so we do, of our own files. */
function stripTypesHere() {
  if (!ROOT.split(sep).includes('node_modules') || !module.registerHooks) return;
  module.registerHooks({
    load(url, context, next) {
      if (!url.endsWith('.ts') || !url.startsWith('file:') || !fileURLToPath(url).startsWith(ROOT + sep)) return next(url, context);
      const source = module.stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8'));
      return { format: 'module', source, shortCircuit: true };
    },
  });
}
