// What `pull` and `push` promise over any store, without an agent: sessions are made of a few files, and "the chat went on" is a
// generation more. Every command opens the stores anew, as a process of its own would.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { holdSession } from '../../src/cli/hold-session.ts';
import { projectName } from '../../src/cli/laptop-places.ts';
import { httpKey, withStores } from '../../src/cli/lookup.ts';
import { type PullOptions, pull } from '../../src/cli/pull.ts';
import { type PushOptions, push } from '../../src/cli/push.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { newSessionId, type SessionId, tenantOf } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import type { SessionHead } from '../../src/core/records.ts';
import type { Stores } from '../../src/local/stores.ts';
import { start } from './fixture.ts';

export interface StoredAt {
  /** Names the stores for a command. */
  readonly env: Readonly<Record<string, string>>;
}

interface Taken {
  readonly folder: string;
  readonly agent_session_id: string;
  readonly generation: number;
}

export function pullPushCases(name: string, open: (folder: string) => Promise<StoredAt>): void {
  let folder: string;
  let env: Record<string, string>;
  let claude: string;

  beforeAll(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-away-')));
    claude = join(folder, 'claude');
    env = { ...(await open(folder)).env, CLAUDE_CONFIG_DIR: claude, HOME: folder };
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const context = (said: unknown[], notes: string[]) => {
    const terminal: Terminal = {
      line: (text = '') => void said.push(text),
      write: () => {},
      note: (text) => void notes.push(text),
      json: (value) => void said.push(value),
      style: (_style, text) => text,
      table: () => {},
      progress: () => ({ update: () => {}, end: () => {} }),
      interactive: false,
    };
    return { env, cwd: folder, terminal, version: '0' };
  };
  const opened = <T>(use: (stores: Stores) => Promise<T>) =>
    withStores(context([], []), {}, use, { create: true });

  async function take(chat: string, options: PullOptions = {}): Promise<Taken> {
    const said: unknown[] = [];
    await pull(context(said, []), chat, { ...options, json: true });
    return said[0] as Taken;
  }
  async function bring(
    dir: string,
    options: PushOptions = {},
  ): Promise<{ chat: string; generation: number }> {
    const said: unknown[] = [];
    await push(context(said, []), dir, { ...options, json: true });
    return said[0] as { chat: string; generation: number };
  }

  /** Files by their path below the session, and what is behind the transcript. */
  async function begin(chat: string, more: Record<string, string> = {}): Promise<SessionId> {
    const sessionId = newSessionId();
    const files = {
      [`config/projects/session/${sessionId}.jsonl`]: 'said in the chat\n',
      [`config/projects/session/${sessionId}/subagents/agent-1.jsonl`]: 'a subagent\n',
      'config/projects/session/memory/MEMORY.md': 'remembered\n',
      [`config/tasks/${sessionId}/1.json`]: '{}',
      'config/.hybrid/shell/exports': 'kept as it is\n',
      'workspace/a.md': 'one',
      ...more,
    };
    await opened(async (stores) => {
      const sessionKey = httpKey(chat);
      const head = blank(sessionId, chat);
      const state = await saved(stores, head, files);
      await stores.store.adopt({ sessionKey, sessionId, generation: 1, state, retentionSec: 3_600 });
    });
    return sessionId;
  }

  const blank = (sessionId: SessionId, chat: string): SessionHead => ({
    tenant: tenantOf(httpKey(chat)),
    sessionId,
    sessionKey: httpKey(chat),
    generation: 0,
    fence: 0,
    state: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtSec: 2_000_000_000,
  });

  /** The next generation: that of the head with some files changed. */
  async function saved(stores: Stores, head: SessionHead, files: Record<string, string>) {
    const root = await mkdtemp(join(folder, 'turn-'));
    const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
    await stores.state.restore(head, directory);
    for (const [path, text] of Object.entries({ 'config/.keep': '', 'workspace/.keep': '', ...files })) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    const { fence, generation } = head;
    const done = await stores.state.checkpoint({
      ...{ head, generation: generation + 1, fence, baseline: null, directory },
    });
    await rm(root, { recursive: true });
    return done.state;
  }

  const headOf = async (stores: Stores, chat: string): Promise<SessionHead> => {
    const key = httpKey(chat);
    const mapping = await stores.store.getMapping(key);
    const head = mapping && (await stores.store.getHead(tenantOf(key), mapping.session_id));
    if (!head) throw new Error(`no session of ${chat}`);
    return head;
  };

  const goOn = (chat: string, files: Record<string, string>) =>
    opened(async (stores) =>
      holdSession(stores.store, await headOf(stores, chat), async (lease, head) => {
        const state = await saved(stores, { ...head, fence: lease.fence }, files);
        const baseGeneration = head.generation;
        await stores.store.advance({ lease, baseGeneration, generation: baseGeneration + 1, state });
      }),
    );

  /** What a turn of the chat would find. */
  const filesOf = (chat: string) =>
    opened(async (stores) => {
      const root = await mkdtemp(join(folder, 'look-'));
      const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
      const head = await headOf(stores, chat);
      await stores.state.restore(head, directory);
      const names = await readdir(root, { recursive: true, withFileTypes: true });
      const files: Record<string, string> = {};
      for (const entry of names) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        files[path.slice(root.length + 1)] = await readFile(path, 'utf8');
      }
      await rm(root, { recursive: true });
      return { files, away: stores.state.awayOf(head), undoable: stores.state.undoable(head) };
    });

  const transcript = (at: string, id: string) => join(claude, 'projects', projectName(at), `${id}.jsonl`);
  /** As a turn of the user's CLI does. */
  const sayHere = async (at: string, id: string, text: string) => {
    await appendFile(transcript(at, id), `${text}\n`);
  };
  const refused = (work: Promise<unknown>, code: string, advice = '') =>
    expect(work).rejects.toMatchObject({ code, advice: expect.stringContaining(advice) });

  describe(`${name}: a session goes and comes`, () => {
    test(`${promise('WHOLE')} every file is where the CLI here looks, and comes back from there`, async () => {
      const id = await begin('trip');
      const { folder: at } = await take('trip');
      const project = join(claude, 'projects', projectName(at));
      expect(await readFile(join(at, 'a.md'), 'utf8')).toBe('one');
      expect((await readdir(project)).sort()).toEqual([id, `${id}.jsonl`, 'memory'].sort());
      expect(await readFile(join(claude, 'tasks', id, '1.json'), 'utf8')).toBe('{}');
      expect((await filesOf('trip')).away).toMatchObject({ sinceMs: expect.any(Number) });

      await sayHere(at, id, 'said here');
      await writeFile(join(project, id, 'subagents', 'agent-2.jsonl'), 'another\n');
      await writeFile(join(claude, 'tasks', id, '2.json'), '{}');
      await writeFile(join(project, 'other-conversation.jsonl'), 'not of this session\n');
      await rm(join(at, 'a.md'));
      await writeFile(join(at, 'b.md'), 'two');
      expect(await bring(at)).toMatchObject({ chat: 'http/trip', generation: 2 });

      const { files, away, undoable } = await filesOf('trip');
      expect(away).toBeNull();
      expect(files[`config/projects/session/${id}.jsonl`]).toBe('said in the chat\nsaid here\n');
      expect(Object.keys(files).sort()).toEqual(
        [
          'config/.hybrid/places.json',
          'config/.hybrid/shell/exports',
          'config/.keep',
          `config/projects/session/${id}.jsonl`,
          `config/projects/session/${id}/subagents/agent-1.jsonl`,
          `config/projects/session/${id}/subagents/agent-2.jsonl`,
          'config/projects/session/memory/MEMORY.md',
          `config/tasks/${id}/1.json`,
          `config/tasks/${id}/2.json`,
          'workspace/.keep',
          'workspace/b.md',
        ].sort(),
      );
      expect(JSON.parse(files['config/.hybrid/places.json'] ?? '')).toMatchObject({ workspace: at });
      expect(undoable.map(({ text }) => text)).toEqual(['what was done on a computer']);
    });

    test(`${promise('WHOLE')} it is pushed again, taken again, and each copy keeps what is its own`, async () => {
      const id = await begin('again');
      const { folder: first } = await take('again', { to: 'first' });
      await refused(take('again', { to: 'second' }), 'session-away', '--again');
      await refused(take('again', { to: 'second', again: true }), 'not-pushed', 'push');
      await bring(first);
      await sayHere(first, id, 'more');
      expect(await bring(first)).toMatchObject({ generation: 3 });
      const { folder: second } = await take('again', { to: 'second' });
      expect(existsSync(join(claude, 'tasks', id, '1.json'))).toBe(true);
      await writeFile(join(claude, 'tasks', id, '2.json'), '{}');
      await refused(bring(first), 'stale-push', '--fork');
      expect(await bring(first, { fork: 'again-first' })).toMatchObject({ chat: 'http/again-first' });
      expect(Object.keys((await filesOf('again-first')).files)).not.toContain(`config/tasks/${id}/2.json`);
      await bring(second);
      expect(Object.keys((await filesOf('again')).files)).toContain(`config/tasks/${id}/2.json`);
      await rm(second, { recursive: true });
      await sayHere(second, id, 'said after the push');
      await refused(take('again', { to: 'second' }), 'not-pushed', 'another name');
    });

    test(`${promise('WHOLE')} both sides went on: a late push is refused, and is a chat of its own`, async () => {
      for (const chat of ['told', 'untold']) {
        const id = await begin(chat);
        const { folder: at } = await take(chat, chat === 'untold' ? { chatGoesOn: true } : {});
        await goOn(chat, { 'workspace/a.md': 'the chat went on' });
        await sayHere(at, id, 'said here');
        await refused(bring(at), 'stale-push', '--fork');
        expect((await filesOf(chat)).files['workspace/a.md']).toBe('the chat went on');
        await bring(at, { fork: `${chat}-mine` });
        const mine = await filesOf(`${chat}-mine`);
        expect(mine.files['workspace/a.md']).toBe('one');
        expect(mine.files[`config/projects/session/${id}.jsonl`]).toContain('said here');
        expect((await filesOf(chat)).away).toBeNull();
        // From here on the folder is the fork's.
        await writeFile(join(at, 'a.md'), 'mine');
        expect(await bring(at)).toMatchObject({ chat: `http/${chat}-mine` });
        expect((await filesOf(`${chat}-mine`)).files['workspace/a.md']).toBe('mine');
      }
    });

    test('generations with the same files make no push stale', async () => {
      const id = await begin('same');
      const { folder: at } = await take('same');
      await opened(async (stores) => {
        await holdSession(stores.store, await headOf(stores, 'same'), async (lease, head) => {
          const step = stores.state.claim(head);
          await stores.store.advance({ lease, baseGeneration: head.generation, ...step! });
        });
      });
      expect((await filesOf('same')).away).toBeNull();
      await sayHere(at, id, 'said here');
      expect(await bring(at)).toMatchObject({ generation: 3 });
    });

    test('an erased session comes back as a fork', async () => {
      const id = await begin('erased');
      const { folder: at } = await take('erased');
      await opened(async ({ store }) => store.erase(httpKey('erased')));
      await refused(bring(at), 'unknown-session', '--fork');
      await bring(at, { fork: 'erased' });
      expect((await filesOf('erased')).files[`config/projects/session/${id}.jsonl`]).toContain('said');
    });
  });

  describe(`${name}: what cannot be, or is not to be trusted, is said`, () => {
    test('and nothing is left behind', async () => {
      const id = await begin('plain');
      await refused(take('nobody'), 'unknown-chat');
      await refused(bring('.'), 'not-pulled', 'CLAUDE_CONFIG_DIR');
      await expect(bring('nowhere')).rejects.toMatchObject({ code: 'no-folder' });
      await mkdir(join(folder, 'is-there'));
      await refused(take('plain', { to: 'is-there' }), 'exists');
      await expect(bring('.', { fork: 'a b' })).rejects.toMatchObject({ code: 'usage' });
      const { folder: at } = await take('plain');
      await refused(bring(at, { fork: 'plain' }), 'chat-exists');
      await rm(transcript(at, id));
      await refused(bring(at), 'no-transcript', 'Nothing was pushed');
      await rm(at, { recursive: true });
      expect((await readdir(folder)).filter((entry) => entry.includes('partial'))).toEqual([]);
    });

    test('files of somebody else are not written over', async () => {
      const id = await begin('full');
      await mkdir(join(claude, 'tasks', id), { recursive: true });
      await refused(take('full'), 'exists', 'another folder');
      expect(existsSync(join(folder, 'full'))).toBe(false);
      expect((await filesOf('full')).away).toBeNull();
      expect(await readdir(join(claude, 'tasks', id))).toEqual([]);
    });

    test.each(['.mcp.json', '.claude/settings.json', '.claude/settings.local.json'])('%s', async (file) => {
      const chat = `obeyed-${randomUUID()}`;
      await begin(chat, { [`workspace/${file}`]: '{}' });
      await refused(take(chat), 'untrusted', '--trust');
      expect(existsSync(join(folder, chat))).toBe(false);
      const { folder: at } = await take(chat, { trust: true });
      expect(existsSync(join(at, file))).toBe(true);
    });

    test('a link of the session is not laid among the files of the user, and comes back', async () => {
      const id = await begin('linked');
      await goOnWithLink('linked', id);
      const { folder: at } = await take('linked');
      expect(existsSync(join(claude, 'projects', projectName(at), id, 'subagents'))).toBe(false);
      await bring(at);
      expect((await filesOf('linked')).files['workspace/a.md']).toBe('one');
    });
  });

  const goOnWithLink = (chat: string, id: string) =>
    opened(async (stores) =>
      holdSession(stores.store, await headOf(stores, chat), async (lease, head) => {
        const root = await mkdtemp(join(folder, 'turn-'));
        const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
        await stores.state.restore(head, directory);
        await symlink('../../memory', join(directory.config, 'projects', 'session', id, 'subagents', 'link'));
        const { generation } = head;
        const input = { head, generation: generation + 1, fence: lease.fence, baseline: null, directory };
        const { state } = await stores.state.checkpoint(input);
        await stores.store.advance({ lease, baseGeneration: generation, generation: generation + 1, state });
        await rm(root, { recursive: true });
      }),
    );

  describe(`${name}: cut off at any point and begun again, nothing is lost`, () => {
    async function cutOff(args: readonly string[]): Promise<void> {
      const command = [process.execPath, join(import.meta.dirname, 'cut-off.ts')];
      const child = start(args, { cwd: folder, env, command });
      let said = '';
      child.stderr.on('data', (piece) => {
        said += piece;
      });
      const end = await new Promise((done) => child.once('close', (_code, signal) => done(signal)));
      expect(end, said).toBe('SIGKILL');
    }

    test.each(['restored', 'noted', 'half-laid', 'laid', 'marked'])('pull, at %s', async (point) => {
      const chat = `pull-${point}`;
      const at = join(folder, chat);
      const id = await begin(chat);
      await cutOff([point, 'pull', chat]);
      // A conversation waits only for a copy that is there.
      const isLaid = existsSync(at);
      expect(isLaid).toBe(point === 'laid' || point === 'marked');
      if (!isLaid) {
        expect((await filesOf(chat)).away).toBeNull();
        await take(chat);
      }
      await sayHere(at, id, 'said here');
      await writeFile(join(at, 'b.md'), 'two');
      await bring(at);
      const { files, away } = await filesOf(chat);
      expect(away).toBeNull();
      expect(files).toMatchObject({ 'workspace/a.md': 'one', 'workspace/b.md': 'two' });
      expect(files[`config/projects/session/${id}.jsonl`]).toContain('said here');
      expect(files[`config/tasks/${id}/1.json`]).toBe('{}');
      expect((await readdir(folder)).filter((entry) => entry.startsWith(`${chat}.`))).toEqual([]);
    });

    const ways = ['staged', 'noted', 'saved', 'written'].flatMap((point) => [
      [point, 'back'] as const,
      [point, 'fork'] as const,
    ]);
    test.concurrent.each(ways)('push, at %s, %s', async (point, way) => {
      const chat = `push-${point}-${way}`;
      const at = join(folder, chat);
      const to = way === 'fork' ? `${chat}-new` : chat;
      const id = await begin(chat);
      await take(chat);
      await sayHere(at, id, 'said here');
      await writeFile(join(at, 'b.md'), 'two');
      const args = ['push', chat, ...(way === 'fork' ? ['--fork', to] : [])];
      await cutOff([point, ...args]);
      await writeFile(join(at, 'c.md'), 'three');
      await cutOff(['noted', ...args]);
      expect(await bring(at, way === 'fork' ? { fork: to } : {})).toMatchObject({ chat: `http/${to}` });
      const { files, away } = await filesOf(to);
      expect(away).toBeNull();
      expect(files).toMatchObject({
        'workspace/a.md': 'one',
        'workspace/b.md': 'two',
        'workspace/c.md': 'three',
      });
      expect(files[`config/projects/session/${id}.jsonl`]).toContain('said here');
      expect((await filesOf(chat)).files['workspace/a.md']).toBe('one');
    });
  });
}
