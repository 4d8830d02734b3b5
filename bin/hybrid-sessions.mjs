#!/usr/bin/env node
// Starts the command line on Node 24 or newer, whatever Node this is. The package brings a Node 24 of its own for
// machines that have an older one (20 or newer); arguments, signals, terminal and exit code pass through.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED = 24;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'src', 'cli', 'main.ts');
const main = existsSync(source) ? source : join(root, 'dist', 'src', 'cli', 'main.js');

if (!existsSync(main)) {
  fail('the package is not built', 'Run `npm run build` first.');
} else if (Number.parseInt(process.versions.node, 10) >= NEEDED) {
  followParent(() => process.kill(process.pid, 'SIGTERM'));
  await import(pathToFileURL(main).href);
} else {
  const node = ownNode();
  if (node) runOn(node);
  else fail(`Node ${process.versions.node} is too old`, `Install Node ${NEEDED} or newer, then try again.`);
}

/** The Node that npm installed beside this package, if any runs here. */
function ownNode() {
  const require = createRequire(import.meta.url);
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const names = ['node', `node-${platform}-${process.arch}`, `node-bin-${platform}-${process.arch}`];
  for (const name of names) {
    let folder;
    try {
      folder = dirname(require.resolve(`${name}/package.json`));
    } catch {
      continue;
    }
    const { version } = require(`${name}/package.json`);
    const binary = ['bin/node.exe', 'bin/node']
      .map((file) => join(folder, file))
      .find((file) => existsSync(file));
    if (binary && Number.parseInt(version, 10) >= NEEDED) return binary;
  }
  return null;
}

/**
 * npm and npx run this in a shell, and hand a signal to that shell only: the shell dies of it and this process would
 * stay. Whoever starts it without npm may well go away and leave it.
 */
function followParent(end) {
  if (!process.env.npm_command && !process.env.npm_lifecycle_event) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    end();
  }, 500);
  timer.unref();
}

function runOn(node) {
  const quiet = '--disable-warning=ExperimentalWarning';
  const child = spawn(node, [quiet, main, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    // A terminal sends Ctrl-C to both processes by itself: passing it on would make it two.
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)));
  }
  followParent(() => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`Node ${NEEDED} did not start: ${error.message}`, 'Install it by hand.'));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
  });
}

function fail(what, advice) {
  process.stderr.write(`error: ${what}. ${advice}\n`);
  process.exitCode = 1;
}
