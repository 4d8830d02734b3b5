// The main job, whole: server, worker processes, the real Agent SDK. What one process did, another one goes on
// from; what is killed is started again; nothing of a turn is left on the machine.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { until } from '../waiting.ts';

let dataDir: string;
let system: TestSystem;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hybrid-sessions-local-'));
  system = await startLocalSystem({ dataDir, workers: 2 });
});
afterAll(async () => {
  await system.close();
  await rm(dataDir, { recursive: true, force: true });
});

test(`${promise('WHOLE')} a restart of every process loses neither files, directory, variables nor what was said`, async () => {
  await system.say('c', 'remember the colour is teal');
  await system.say('c', 'run: mkdir -p notes && echo kept > notes/a.txt && cd notes && export COLOUR=teal');
  for (const pid of system.workerPids()) process.kill(pid, 'SIGKILL');
  await system.close();
  system = await startLocalSystem({ dataDir, workers: 2 });
  const shell = await system.say('c', 'run: cat a.txt; basename "$PWD"; echo "colour=$COLOUR"');
  expect(shell.reply.text).toContain('kept\nnotes\ncolour=teal');
  const recalled = await system.say('c', 'what do you remember?');
  expect(recalled.reply.text).toContain('the colour is teal');
  expect(recalled.reply.demo).toBe(true);
});

test('after a turn its directory is gone from the temporary folder', async () => {
  const { session_id: sessionId } = await system.say('gone', 'run: echo x > file; pwd');
  const places = (await readdir(tmpdir())).filter((name) => name.startsWith('hybrid-sessions-'));
  await expect
    .poll(async () => {
      const found = await Promise.all(places.map((name) => readdir(join(tmpdir(), name)).catch(() => [])));
      return found.flat().filter((name) => name.includes(sessionId));
    })
    .toEqual([]);
});

test('a worker that is killed in a turn is replaced, and the turn is answered once', async () => {
  let asked = 0;
  const other = await startLocalSystem({
    respond() {
      asked += 1;
      return asked === 1 ? { fault: 'hang' } : { blocks: [{ type: 'text', text: 'here again' }] };
    },
  });
  try {
    const sent = other.say('killed', 'are you there?');
    await until(() => asked === 1);
    const before = other.workerPids();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    expect(await sent).toMatchObject({ generation: 1, reply: { text: 'here again', outcome: 'ok' } });
    expect(other.workerPids().some((pid) => before.includes(pid))).toBe(false);
  } finally {
    await other.close();
  }
});

test('the page and its libraries are served, and nothing beside them', async () => {
  const get = (path: string) => fetch(`${system.url}${path}`);
  const page = await get('/');
  expect(page.headers.get('content-type')).toContain('text/html');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  const html = await page.text();
  const parts = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map((match) => match[1] ?? '');
  expect(parts.length).toBeGreaterThan(0);
  for (const path of [...parts, '/assets/vendor/marked.js', '/assets/vendor/dompurify.js']) {
    expect((await get(path)).status, path).toBe(200);
  }
  const script = await get('/assets/vendor/marked.js');
  const etag = script.headers.get('etag') ?? '';
  expect((await fetch(script.url, { headers: { 'if-none-match': etag } })).status).toBe(304);
  for (const path of [
    '/assets/../package.json',
    '/assets/tsconfig.json',
    '/assets/..%2fopenapi.json',
    '/assets/.x',
    '/assets/',
  ]) {
    expect((await get(path)).status, path).toBe(404);
  }
  expect((await fetch(`${system.url}/`, { method: 'POST' })).status).toBe(405);
});

test('keys are not in the environment or the arguments of a worker', async () => {
  if (process.platform !== 'linux') return;
  const { readFile } = await import('node:fs/promises');
  const other = await startLocalSystem({
    respond: () => ({ blocks: [{ type: 'text', text: 'hi' }] }),
    env: { ANTHROPIC_API_KEY: 'sk-very-secret', AWS_SECRET_ACCESS_KEY: 'aws-very-secret' },
  });
  try {
    const [pid] = other.workerPids();
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
    const command = await readFile(`/proc/${pid}/cmdline`, 'latin1');
    expect(environment + command).not.toContain('very-secret');
    expect((await other.say('c', 'hello')).reply.text).toBe('hi');
    expect(other.model?.requests.some(({ headers }) => headers['x-api-key'] === 'sk-very-secret')).toBe(true);
  } finally {
    await other.close();
  }
});
