// What stays in a worker's folder between two turns, and who finds it there: turns of the core over the real state
// layer and real files; the agent is a shell. Every turn looks first at what it was given, and compares it with what
// a restore of the same head lays out elsewhere.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ROOT_MARKER } from '../../src/agent/processes.ts';
import { Conflict } from '../../src/core/errors.ts';
import { sessionKeyOf, tenantId } from '../../src/core/ids.ts';
import type { AgentOutcome, AgentRun, ExecutionDirectory, Workplace } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createTemporaryWorkplace } from '../../src/lambda/temporary-workplace.ts';
import type { WorkerParts } from '../../testing/worker-parts.ts';
import { createFixture } from '../core/fixture.ts';
import { snapshot, testSession } from '../state/fixture.ts';

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) {
    execFileSync('chmod', ['-R', 'u+rwx', path]);
    rmSync(path, { recursive: true, force: true });
  }
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'hybrid-hot-'));
  made.push(path);
  return path;
}

/** Under the names that the workplace uses. */
function placeIn(root: string): ExecutionDirectory {
  const directory = { root, config: join(root, '.claude-code'), workspace: join(root, 'workspace') };
  for (const path of [directory.config, directory.workspace]) mkdirSync(path);
  return directory;
}

interface Given {
  /** What lay in the folder when the agent began. */
  readonly top: readonly string[];
  readonly tree: Readonly<Record<string, string>>;
  /** Objects read by then. */
  readonly reads: number;
}

interface Ended extends Given {
  readonly kind: string | null;
  /** Objects read in the whole turn. */
  readonly allReads: number;
}

function setUp(keepSession = true) {
  const fixture = createFixture();
  const { objects, state } = testSession();
  const root = folder();
  const workplace = createTemporaryWorkplace(root, { keepSession });
  let given: Given | null = null;
  let startedAt = 0;

  return {
    fixture,
    root,
    workplace,
    objects,
    state,
    /** The message is a shell command. What it found comes back. */
    async turn(
      command: string,
      options: { chat?: string; on?: Workplace; outcome?: AgentOutcome; deps?: Partial<WorkerParts> } = {},
    ): Promise<Ended> {
      startedAt = objects.reads.length;
      given = null;
      fixture.agent = async ({ directory, request }: AgentRun) => {
        given = {
          top: readdirSync(directory.root).sort(),
          tree: snapshot(directory),
          reads: objects.reads.length - startedAt,
        };
        const env = { PATH: '/usr/bin:/bin', CONFIG: directory.config, ROOT: directory.root };
        execFileSync('/bin/sh', ['-ec', request.text], { cwd: directory.workspace, env, stdio: 'ignore' });
        appendFileSync(join(directory.config, 'transcript.jsonl'), `${request.text}\n`);
        return options.outcome ?? { status: 'ok', text: 'done', demo: false };
      };
      await fixture.say(command, { chat: options.chat ?? 'c' });
      const kind = await fixture.step({ state, workplace: options.on ?? workplace, ...options.deps });
      if (given === null) throw new Error(`The agent did not run: ${kind}`);
      return { ...(given as Given), kind, allReads: objects.reads.length - startedAt };
    },
    /** What a restore of the conversation's head lays out, anywhere. */
    async cold(chat = 'c'): Promise<Record<string, string>> {
      const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat, thread: null };
      const { session_id } = (await fixture.deps.store.getMapping(sessionKeyOf(conversation)))!;
      const head = await fixture.deps.store.getHead(tenantId('default'), session_id);
      const directory = placeIn(folder());
      await state.restore(head!, directory);
      return snapshot(directory);
    },
  };
}

const AWKWARD = `
mkdir -p empty deep/er "$CONFIG/projects/session" "$CONFIG/ide" "$CONFIG/cache" "$CONFIG/keep"
echo lock > "$CONFIG/ide/1.lock"; echo c > "$CONFIG/cache/c"; echo '{}' > "$CONFIG/settings.json"
echo key > "$CONFIG/.credentials.json"; echo note > "$CONFIG/keep/note"
printf '#!/bin/sh\\n' > run.sh; chmod 755 run.sh; echo ro > read-only; chmod 444 read-only
ln -s deep/er relative; ln -s "$PWD/deep" absolute; ln -s nowhere dangling
head -c 300000 /dev/urandom > large; truncate -s 5000000 sparse; echo x > "name with spaces ü"
touch -d '2001-02-03 04:05:06.789' old; mkdir -m 500 shut; touch -d '2002-01-01' empty
mkdir -p "$ROOT/home" "$ROOT/more"; echo h > "$ROOT/home/.profile"; echo t > "$ROOT/tmp/t"; echo m > "$ROOT/more/m"
`;

describe('the same session again', () => {
  test('finds what a restore would lay out, and reads nothing for it', async () => {
    const { turn, cold } = setUp();
    expect((await turn(AWKWARD)).reads).toBe(0);
    const stored = await cold();
    expect(Object.keys(stored).length).toBeGreaterThan(15);
    const second = await turn('echo more >> large; rm old; mkdir new; chmod 600 run.sh');
    expect(second).toMatchObject({ reads: 0, top: ['.claude-code', 'home', 'tmp', 'workspace'] });
    expect(second.tree).toEqual(stored);
    expect(JSON.stringify(Object.keys(second.tree))).not.toMatch(/ide|cache|settings|credentials/);

    const changed = await cold();
    const third = await turn('true');
    expect(third.reads).toBe(0);
    expect(third.tree).toEqual(changed);
    expect(changed).not.toEqual(stored);
  });

  test('stays hot through the merging of its packs, and keeps being what is stored', async () => {
    const { turn, cold } = setUp();
    await turn('true');
    let merges = 0;
    for (let i = 0; i < 14; i++) {
      const stored = await cold();
      const next = await turn(`head -c 3000 /dev/urandom > file-${i}`);
      expect([next.reads, next.tree]).toEqual([0, stored]);
      if (next.allReads > 1) merges++;
    }
    expect(merges).toBeGreaterThan(1);
    const names = Object.keys(await cold());
    expect(names.filter((name) => name.includes('file-'))).toHaveLength(14);
  });

  test("finds nothing of the last turn's home, temporary files and processes", async () => {
    const { turn, root } = setUp();
    const env = { PATH: '/usr/bin:/bin', [ROOT_MARKER]: root };
    const stray = spawn('sleep', ['600'], { env, detached: true, stdio: 'ignore' });
    const gone = once(stray, 'exit');
    await turn('mkdir -p "$ROOT/home"; echo x > "$ROOT/home/x"; echo y > "$ROOT/tmp/y"');
    await gone;
    expect(readdirSync(root).sort()).toEqual(['.claude-code', 'workspace']);
    await turn('test -z "$(ls -A "$ROOT/home" "$ROOT/tmp" | grep -v :)"');
  });
});

describe('not as a restore would lay it out: thrown away, and restored', () => {
  test.each([
    ['a named pipe', 'mkfifo pipe', 'pipe'],
    ['two names of one file', 'echo x > a; ln a b', ''],
    ['a set-id bit', 'echo x > a; chmod 4755 a', ''],
    ['a sticky folder', 'mkdir -m 1777 a', ''],
    ['a link out of the folder', 'ln -s /etc/hostname out', 'out'],
  ])('%s', async (_what, command, refused) => {
    const { turn, cold, root } = setUp();
    await turn(command);
    if (refused !== '') expect(readdirSync(root)).toEqual([]);
    const next = await turn('true');
    expect(next.reads).toBeGreaterThan(0);
    expect(next.tree).toEqual(await coldBefore(next, cold));
    expect(Object.keys(next.tree)).not.toContain(`workspace/${refused}`);
  });

  /** The turn changed only its transcript. */
  async function coldBefore(next: Given, cold: () => Promise<Record<string, string>>) {
    const path = 'config/transcript.jsonl';
    return { ...(await cold()), [path]: next.tree[path] };
  }

  test.each([
    ['a changed file', 'echo 2 > a'],
    ['a changed file with its old time and size', 'echo 2 > a; touch -d @1000000000 a'],
    ['a new file', 'echo 2 > b'],
    ['a file gone', 'rm a'],
    ['a folder in place of a file', 'rm a; mkdir a'],
    ['a link in place of a file', 'rm a; ln -s b a'],
    ['other rights', 'chmod 600 a'],
    ['another link', 'ln -sfn elsewhere link'],
    ['a new deny-listed file', 'mkdir "$CONFIG/ide"'],
    ['the workspace gone', 'rm -r "$PWD"'],
    ['the workspace moved, with a link to it', 'mv "$PWD" "$ROOT/other"; ln -s "$ROOT/other" "$PWD"'],
  ])('touched between the turns: %s', async (_what, command) => {
    const { turn, cold, root } = setUp();
    await turn('echo 1 > a; touch -d @1000000000 a; chmod 644 a; ln -s a link; sleep 0.05');
    // A file stamped too soon after its change is not trusted by its stamp; this one was left alone for a while.
    await turn('sleep 0.05');
    const stored = await cold();
    const [config, workspace] = [join(root, '.claude-code'), join(root, 'workspace')];
    const env = { PATH: '/usr/bin:/bin', CONFIG: config, ROOT: root, PWD: workspace };
    execFileSync('/bin/sh', ['-ec', command], { cwd: workspace, env });
    const next = await turn('true');
    expect(next.reads).toBeGreaterThan(0);
    expect(next.tree).toEqual(stored);
  });

  test('only the time a file was looked at differs: still hot', async () => {
    const { turn, root } = setUp();
    await turn('echo 1 > a');
    const file = join(root, 'workspace/a');
    execFileSync('cat', [file]);
    expect(statSync(file).size).toBe(2);
    expect((await turn('true')).reads).toBe(0);
    utimesSync(file, 1, 1);
    expect((await turn('true')).reads).toBeGreaterThan(0);
  });
});

describe('somebody else', () => {
  test(`${promise('WHOLE')}: another conversation finds nothing of the first, which is then restored`, async () => {
    const { turn, cold } = setUp();
    await turn('echo private > secret.txt');
    const other = await turn('test ! -e secret.txt; test -z "$(grep -rl private "$ROOT")"', {
      chat: 'other',
    });
    expect(other).toMatchObject({ kind: 'done', reads: 0, tree: {} });
    const stored = await cold();
    const back = await turn('grep -q private secret.txt');
    expect(back.kind).toBe('done');
    expect(back.reads).toBeGreaterThan(0);
    expect(back.tree).toEqual(stored);
  });

  test(`${promise('NO-AMNESIA')}: a turn that ran elsewhere meanwhile is what the next one here begins with`, async () => {
    const { turn } = setUp();
    const elsewhere = createTemporaryWorkplace(folder(), { keepSession: true });
    await turn('echo here > said');
    expect((await turn('echo there > said', { on: elsewhere })).reads).toBeGreaterThan(0);
    const back = await turn('grep -q there said');
    expect(back.kind).toBe('done');
    expect(back.reads).toBeGreaterThan(0);
    expect((await turn('grep -q there said')).reads).toBe(0);
  });

  test('`/new` on the same worker begins with an empty folder', async () => {
    const { turn, fixture, state, workplace } = setUp();
    await turn('echo old > said');
    await fixture.say('', { kind: 'new' });
    expect(await fixture.step({ state, workplace })).toBe('done');
    expect(await turn('true')).toMatchObject({ kind: 'done', reads: 0, tree: {} });
  });
});

describe('a turn that did not end well leaves nothing', () => {
  test.each([
    ['failed', { status: 'failed', text: '', demo: false, failure: { code: 'agent-error', message: 'no' } }],
    ['stopped', { status: 'stopped', text: '', demo: false }],
    ['cut off', { status: 'deadline', text: '', demo: false }],
    [
      'lost its conversation',
      { status: 'failed', text: '', demo: false, failure: { code: 'resume-lost', message: 'no' } },
    ],
  ] satisfies [string, AgentOutcome][])('%s', async (_what, outcome) => {
    const { turn, root } = setUp();
    await turn('true');
    expect(readdirSync(root)).not.toEqual([]);
    expect((await turn('true', { outcome })).reads).toBe(0);
    expect(readdirSync(root)).toEqual([]);
  });

  test('its commit failed: what it left is not what the next attempt begins with', async () => {
    const { turn, fixture, state, workplace } = setUp();
    await turn('echo 1 > count');
    const commit = async () => {
      throw new Conflict('lease-lost', 'Somebody else holds it.');
    };
    const store = { ...fixture.deps.store, commit };
    expect((await turn('echo 2 >> count', { deps: { store } })).kind).toBe('retry');
    await fixture.clock.advance(60_000);
    expect(await fixture.step({ state, workplace })).toBe('done');
    const after = await turn('test "$(cat count)" = "$(printf "1\\n2")"');
    expect(after.kind).toBe('done');
  });

  test('its commit failed, and another worker ran it instead: same generation, other files', async () => {
    const { turn, fixture, state, cold } = setUp();
    await turn('echo 1 > count');
    const commit = async () => {
      throw new Conflict('lease-lost', 'Somebody else holds it.');
    };
    const store = { ...fixture.deps.store, commit };
    const random = 'head -c 9 /dev/urandom > random';
    expect((await turn(random, { deps: { store } })).kind).toBe('retry');
    await fixture.clock.advance(60_000);
    const elsewhere = createTemporaryWorkplace(folder(), { keepSession: true });
    expect(await fixture.step({ state, workplace: elsewhere })).toBe('done');
    const stored = await cold();
    const after = await turn('true');
    expect(after.reads).toBeGreaterThan(0);
    expect(after.tree).toEqual(stored);
  });

  test('too large to be saved', async () => {
    const small = testSession({ limits: { maxWorkspaceBytes: 10_000, maxWorkspaceFiles: 100 } });
    const { turn, root } = setUp();
    await turn('true', { deps: { state: small.state } });
    await turn('head -c 20000 /dev/zero > a', { deps: { state: small.state } });
    expect(readdirSync(root)).toEqual([]);
  });
});

test('switched off: the folder is empty after every turn', async () => {
  const { turn, root } = setUp(false);
  await turn('echo 1 > a');
  expect(readdirSync(root)).toEqual([]);
  expect((await turn('true')).reads).toBeGreaterThan(0);
  expect(readdirSync(root)).toEqual([]);
});

test('a new process knows nothing of what it finds', async () => {
  const { turn, root } = setUp();
  await turn('echo 1 > a');
  expect(readdirSync(root)).not.toEqual([]);
  const successor = createTemporaryWorkplace(root, { keepSession: true });
  const next = await turn('true', { on: successor });
  expect(next.reads).toBeGreaterThan(0);
});

const lease = (owner: string) =>
  ({ tenant: 't', sessionId: 's', sessionKey: 'k', owner, fence: 1 }) as unknown as Parameters<
    Workplace['open']
  >[0];

test('one turn at a time: while one runs the folder is nobody else’s', async () => {
  const { workplace } = setUp();
  await workplace.open(lease('a'));
  await expect(workplace.open(lease('b'))).rejects.toThrow('Another turn runs here.');
  await workplace.close(lease('b'));
  await workplace.keep?.(lease('b'), { generation: 1, baseline: null });
  await expect(workplace.open(lease('b'))).rejects.toThrow('Another turn runs here.');
  await workplace.close(lease('a'));
  await workplace.open(lease('b'));
  await workplace.close(lease('b'));
});

test('a folder that cannot be emptied is tried again by the next turn', async () => {
  const { workplace, root } = setUp();
  await workplace.open(lease('a'));
  rmSync(root, { recursive: true });
  await expect(workplace.close(lease('a'))).rejects.toThrow('ENOENT');
  await expect(workplace.open(lease('b'))).rejects.toThrow('ENOENT');
  mkdirSync(root);
  const { workspace } = await workplace.open(lease('b'));
  expect(readdirSync(workspace)).toEqual([]);
});
