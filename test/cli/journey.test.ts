// One person's way through the commands, over one data folder: talk, come back, look, copy out, copy in, check, erase.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { addressOf } from '../waiting.ts';
import { LAUNCHER, plainEnvironment, run as runIn, start } from './fixture.ts';

let cwd: string;
const run = (args: readonly string[], options: { env?: Record<string, string>; input?: string } = {}) =>
  runIn(args, { cwd, ...options });
const once = async (text: string, chat = 'main') => {
  const { code, out, err } = await run(['chat', chat, '--once', text, '--json']);
  expect(code, err).toBe(0);
  return JSON.parse(out) as { session_id: string; reply: { text: string; demo?: boolean } };
};

beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-journey-'));
});
afterAll(() => rm(cwd, { recursive: true, force: true }));

describe('one data folder, every command a process of its own', () => {
  let sessionId: string;

  test('chat --once answers and remembers', async () => {
    const first = await once('write plan.md: buy milk');
    sessionId = first.session_id;
    expect(first.reply.demo).toBe(true);
    expect((await once('todo: call Ann')).session_id).toBe(sessionId);
    const plain = await run(['chat', '--once', 'read plan.md']);
    expect(plain.code).toBe(0);
    expect(plain.out).toContain('buy milk');
    expect(plain.err).toBe('This is the demo model, not Claude.\n');
  });

  test('lines on standard input are messages in order, /new is a fresh session', async () => {
    const { code, out } = await run(['chat', 'pipe'], {
      input: 'remember one\n/new\nwhat do you remember?\n/quit\nnever said\n',
    });
    expect(code).toBe(0);
    expect(out).toContain('Started a fresh session');
    expect(out).not.toMatch(/never said/);
    const { out: json } = await run(['sessions', 'show', 'pipe', '--json']);
    expect(JSON.parse(json).turns.map(({ kind }: { kind: string }) => kind)).toEqual([
      'message',
      'new',
      'message',
    ]);
  });

  test('sessions list and show', async () => {
    const { sessions } = JSON.parse((await run(['sessions', 'list', '--json'])).out);
    expect(sessions.map(({ chat }: { chat: string }) => chat)).toEqual(['cli-pipe', 'cli-main']);
    expect(sessions[1]).toMatchObject({
      session_id: sessionId,
      generation: 3,
      title: 'write plan.md: buy milk',
    });
    const plain = (await run(['sessions', 'list'])).out;
    expect(plain).toContain('http/cli-main');
    expect(plain).not.toContain('\u001b');
    for (const name of ['main', 'cli-main', 'http/cli-main', sessionId, sessionId.slice(0, 8)]) {
      expect(JSON.parse((await run(['sessions', 'show', name, '--json'])).out).session_id).toBe(sessionId);
    }
    const { code, err } = await run(['sessions', 'show', 'nobody']);
    expect([code, err]).toEqual([4, expect.stringContaining('There is no chat or session "nobody"')]);
  });

  test('turns list and show tell where the time went', async () => {
    const { turns } = JSON.parse((await run(['turns', 'list', 'main', '--json'])).out);
    expect(turns.map(({ timeline }: { timeline: object }) => timeline)).toEqual(
      Array.from({ length: 3 }, () => expect.objectContaining({ attempt: 1 })),
    );
    const [{ turn_id: first }, , { turn_id: last, timeline }] = turns;
    expect(JSON.parse((await run(['turns', 'show', 'main', '--json'])).out)).toEqual(timeline);
    expect(timeline.turn_id).toBe(last);
    const kinds = timeline.spans.map(({ kind }: { kind: string }) => kind);
    for (const kind of [
      'queue',
      'lease',
      'host',
      'restore',
      'agent',
      'model',
      'tool',
      'checkpoint',
      'commit',
    ])
      expect(kinds).toContain(kind);
    expect(timeline.host.restored_bytes).toBeGreaterThan(0);
    expect(timeline.host.saved_bytes).toBeGreaterThan(0);
    const { out } = await run(['turns', 'show', 'main', first.slice(0, 12)]);
    expect(out).toContain(first);
    expect(out).toMatch(/^ {2}model +\d.* █+$/m);
    expect((await run(['turns', 'list', 'main'])).out).toContain(first);
    const { code, err } = await run(['turns', 'show', 'main', 'turn_none']);
    expect([code, err]).toEqual([4, expect.stringContaining('There is no turn "turn_none"')]);
  });

  test('export writes the session for people and for import', async () => {
    const { code, out, err } = await run(['sessions', 'export', 'main', 'out', '--json']);
    expect(code, err).toBe(0);
    expect(JSON.parse(out).exported).toBe(sessionId);
    const folder = join(cwd, 'out');
    const names = ['config', 'conversation.jsonl', 'debug.txt', 'session.json', 'todos.json', 'workspace'];
    expect((await readdir(folder)).sort()).toEqual(names);
    const lines = (await readFile(join(folder, 'conversation.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.some((line) => JSON.stringify(JSON.parse(line)).includes('buy milk'))).toBe(true);
    expect((await readFile(join(folder, 'workspace', 'plan.md'), 'utf8')).trim()).toBe('buy milk');
    expect(JSON.parse(await readFile(join(folder, 'todos.json'), 'utf8'))).toMatchObject([
      { subject: 'call Ann' },
    ]);
    expect(await readFile(join(folder, 'debug.txt'), 'utf8')).toMatch(
      /turn_\w+ message delivered .* outcome=ok/,
    );
    const again = await run(['sessions', 'export', 'main', 'out']);
    expect([again.code, again.err]).toEqual([3, expect.stringContaining('is there already')]);
  });

  test('import refuses what is here, what is no export, and takes it in elsewhere', async () => {
    expect((await run(['sessions', 'import', 'out'])).code).toBe(5);
    const none = await run(['sessions', 'import', '.']);
    expect([none.code, none.err]).toEqual([3, expect.stringContaining('not an exported session')]);
    const other = { HYBRID_SESSIONS_DIR: join(cwd, 'other') };
    const taken = await run(['sessions', 'import', 'out', '--chat', 'cli-copy', '--json'], { env: other });
    expect(taken.code, taken.err).toBe(0);
    expect(JSON.parse(taken.out)).toMatchObject({ imported: sessionId, chat: 'http/cli-copy' });
    const { out } = await run(['chat', 'copy', '--once', 'read plan.md'], { env: other });
    expect(out).toContain('buy milk');
    const manifest = join(cwd, 'out', 'session.json');
    const text = await readFile(manifest, 'utf8');
    await writeFile(manifest, text.replace('"format": 1', '"format": 2'));
    const newer = await run(['sessions', 'import', 'out'], { env: other });
    expect([newer.code, newer.err]).toEqual([3, expect.stringMatching(/session\.json: format: /)]);
  });

  test(`${promise('NO-AMNESIA')} a damaged pack is found by verify, told in the chat, and replaces nothing`, async () => {
    expect((await run(['sessions', 'verify'])).out).toContain('3 of 3 sessions');
    const packs = await filesBelow(join(cwd, '.hybrid-sessions', 'objects'), sessionId);
    expect(packs.length).toBeGreaterThan(0);
    const kept = new Map<string, Buffer>();
    for (const pack of packs) {
      const bytes = await readFile(pack);
      kept.set(pack, bytes);
      const damaged = Buffer.from(bytes);
      for (let at = 64; at < damaged.length; at += 64) damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      await rm(pack);
      await writeFile(pack, damaged);
    }
    const verified = await run(['sessions', 'verify', '--json']);
    expect(verified.code).toBe(6);
    expect(JSON.parse(verified.out).damaged).toBe(1);
    const exported = await run(['sessions', 'export', 'main', 'damaged']);
    expect([exported.code, exported.out]).toEqual([6, '']);
    expect((await readdir(cwd)).filter((name) => name.startsWith('damaged'))).toEqual([]);
    const told = await run(['chat', '--once', 'read plan.md', '--json']);
    expect(told.code).toBe(1);
    expect(JSON.parse(told.out).reply).toMatchObject({ outcome: 'failed', code: 'state-unreadable' });
    for (const [pack, bytes] of kept) await writeFile(pack, bytes);
    expect((await once('read plan.md')).reply.text).toContain('buy milk');
  });

  test(`${promise('EXPIRE')} erase asks or wants --yes, and leaves no object of the session`, async () => {
    const asked = await run(['sessions', 'erase', 'main']);
    expect([asked.code, asked.err]).toEqual([2, expect.stringContaining('--yes')]);
    const { code, out } = await run(['sessions', 'erase', 'main', '--yes', '--json']);
    expect(code).toBe(0);
    const { left, ...erased } = JSON.parse(out);
    expect(erased).toEqual({ erased: 'http/cli-main', sessions: 1 });
    expect(new Set(Object.values(left))).toEqual(new Set([0]));
    expect(await filesBelow(join(cwd, '.hybrid-sessions', 'objects'), sessionId)).toEqual([]);
    expect((await run(['sessions', 'show', 'main'])).code).toBe(4);
  });
});

describe('start', () => {
  test('prints its address, serves, ends by a signal with 0; two on one folder share the work', async () => {
    const servers = [start(['start', '--port', '0'], { cwd }), start(['start', '--port', '0'], { cwd })];
    try {
      const urls = await Promise.all(servers.map(addressOf));
      const sent = urls.flatMap((url, at) =>
        [1, 2].map((n) => post(url, `shared-${at}-${n}`, `write f.txt: ${at}${n}`)),
      );
      for (const answer of await Promise.all(sent)) expect(answer.reply.outcome).toBe('ok');
      const read = await post(urls[1] ?? '', 'shared-0-1', 'read f.txt');
      expect(read.reply.text).toContain('01');
    } finally {
      const ended = servers.map((server) => new Promise((done) => server.once('close', done)));
      for (const server of servers) server.kill('SIGTERM');
      expect(await Promise.all(ended)).toEqual([0, 0]);
    }
  });

  test('a killed server leaves no worker behind', async () => {
    const server = start(['start', '--port', '0', '--workers', '1'], { cwd });
    await addressOf(server);
    const workers = await childrenOf(server.pid ?? 0);
    if (process.platform === 'linux') expect(workers.length).toBe(1);
    server.kill('SIGKILL');
    await expect.poll(() => workers.filter(isAlive)).toEqual([]);
  });
});

async function post(
  url: string,
  chat: string,
  text: string,
): Promise<{ reply: { text: string; outcome: string } }> {
  const key = (await readFile(join(cwd, '.hybrid-sessions', 'access-key'), 'utf8')).trim();
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
  const response = await fetch(`${url}/v1/chats/${chat}/messages`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ text }),
  });
  return (await response.json()) as { reply: { text: string; outcome: string } };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function filesBelow(folder: string, part: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const files = names.filter((name) => name.includes(part)).map((name) => join(folder, name));
  const found = await Promise.all(files.map(async (file) => ((await stat(file)).isFile() ? [file] : [])));
  return found.flat();
}

test('the launcher takes signals to the real program, also from an older Node where there is one', async () => {
  const child = spawn(olderNode() ?? process.execPath, [LAUNCHER, 'start', '--port', '0'], {
    cwd,
    env: plainEnvironment(cwd),
  });
  await addressOf(child);
  const ended = new Promise((done) => child.once('close', (code) => done(code)));
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

/** A Node of this machine that the program itself cannot run on. */
function olderNode(): string | undefined {
  const candidates = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'));
  return candidates.find((file) => {
    const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' });
    return /^v2[0-3]\./.test(stdout ?? '');
  });
}
