// Checks the package as a user gets it: npm pack; then, in an empty folder, init my-agent, npm install, start, one
// turn, stop, with a channel of its own that a setting names. It also compiles and runs a user's program that embeds the package in a Hono and in an Express app. It
// needs a registry or a warm npm cache. With --keep the folder stays.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { addressOf, compileConsumer, importEverything, runConsumers } from './consumer.mjs';
import { addOwnChannel, askOwnChannel } from './own-channel-check.mjs';

const INSTALL = ['install', '--prefer-offline', '--no-audit', '--no-fund'];

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = mkdtempSync(join(tmpdir(), 'hybrid-sessions-package-'));
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const npx = process.platform === 'win32' ? 'npx.cmd' : 'npx';

// The package must work on the machine's own Node: the one that npm put before it in PATH is left out, and so is
// every setting that the npm which runs this script has handed down.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
env.PATH = (env.PATH ?? '')
  .split(process.platform === 'win32' ? ';' : ':')
  .filter((part) => !part.includes('node_modules'))
  .join(process.platform === 'win32' ? ';' : ':');
for (const name of [
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'ANTHROPIC_BASE_URL',
  'CLAUDE_CODE_USE_BEDROCK',
]) {
  delete env[name];
}

function run(command, args, cwd) {
  console.log(`$ ${[command, ...args].join(' ')}`);
  const { status } = spawnSync(command, args, { cwd, env, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${command} ended with ${status}`);
}

async function oneTurn(project) {
  const channel = addOwnChannel({ root, project });
  console.log('$ npx hybrid-sessions start');
  const server = spawn(npx, ['hybrid-sessions', 'start'], {
    cwd: project,
    env: { ...env, ...channel.env, PORT: '0' },
    detached: true,
  });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  const timeout = setTimeout(() => process.kill(-server.pid, 'SIGKILL'), 90_000);
  try {
    const url = await addressOf(server, ended);
    const key = readFileSync(join(project, '.hybrid-sessions', 'access-key'), 'utf8').trim();
    const response = await fetch(`${url}/v1/chats/check/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify({ text: 'run: echo it-works' }),
    });
    const { reply } = await response.json();
    if (!reply?.text.includes('it-works')) throw new Error(`unexpected reply: ${JSON.stringify(reply)}`);
    await askOwnChannel(url, channel);
    const page = await fetch(url);
    if (!(await page.text()).includes('<html')) throw new Error('the page is missing');
    // The signal goes to npx alone, as from a service manager: the server must end with it.
    server.kill('SIGTERM');
    await gone(url);
  } finally {
    clearTimeout(timeout);
    stopGroup(server.pid);
  }
}

function stopGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

async function gone(url) {
  for (const untilMs = Date.now() + 30_000; Date.now() < untilMs; await sleep(200)) {
    if (!(await fetch(`${url}/healthz`).catch(() => null))) return;
  }
  throw new Error('The server outlives npx.');
}

try {
  run(npm, ['pack', '--silent', '--pack-destination', folder], root);
  const file = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  const project = join(folder, 'my-agent');
  // As README says it: init names the file in package.json, so npm install finds the package again.
  run(npx, ['--yes', '--package', `./${file}`, 'hybrid-sessions', 'init', 'my-agent'], folder);
  run(npm, [...INSTALL, 'express@5', '@types/express@5', '@types/node@24'], project);
  await oneTurn(project);
  // This process runs on the Node that npm put first; the project's programs run there, too.
  // The apps want Node 24, whatever Node runs this script.
  const isOld = Number.parseInt(process.versions.node, 10) < 24;
  const node = isOld ? join(root, 'node_modules', 'node', 'bin', 'node') : process.execPath;
  compileConsumer({ root, project, node });
  await runConsumers({ project, node, env });
  importEverything({ root, project, node, env });
  importEverything({ root, project, node: 'node', env });
  console.log('The package works.');
} finally {
  if (process.argv.includes('--keep')) console.log(`left in ${folder}`);
  else rmSync(folder, { recursive: true, force: true });
}
