// A conversation goes to a person's computer and comes back, by the real commands and with the real CLI there: nothing of
// either side is lost, whoever goes on meanwhile and wherever a command is cut off.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { projectName } from '../../src/cli/laptop-places.ts';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { run, start } from './fixture.ts';
import { claude, type LaptopCli } from './laptop-cli.ts';

let folder: string;
let system: TestSystem;
let model: ScriptedModel;
let laptop: LaptopCli;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-away-')));
  system = await startLocalSystem({ respond: answerAsDemo });
  model = await createScriptedModel(answerAsDemo);
  laptop = { claude: join(folder, 'claude'), home: folder, modelUrl: model.url };
});
afterAll(async () => {
  await system.close();
  await model.close();
  await rm(folder, { recursive: true, force: true });
});

const command = (args: readonly string[]) =>
  run(args, { cwd: folder, env: { CLAUDE_CONFIG_DIR: laptop.claude, HYBRID_SESSIONS_DIR: system.dataDir } });

async function json(args: readonly string[]) {
  const { code, out, err } = await command([...args, '--json']);
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${err}`);
  return JSON.parse(out);
}

async function said(chat: string, text: string): Promise<string> {
  const { reply } = await system.say(chat, text);
  return reply.text;
}

async function onLaptop(at: string, id: string, text: string): Promise<string> {
  const { code, out, err } = await claude(laptop, at, ['--resume', id, text]);
  expect([code, err]).toEqual([0, '']);
  return out;
}

describe('there and back', () => {
  test(`${promise('WHOLE')} a turn in the chat, one with claude --resume, one in the chat that knows both`, async () => {
    await said('trip', 'write plan.md: buy milk');
    await said('trip', 'todo: call Ann');
    const offered = await said('trip', '/handoff');
    const [, line = ''] = /^npx hybrid-sessions (pull .*)$/m.exec(offered) ?? [];
    const pulled = await json([...line.split(' '), '--to', 'my trip']);
    const at = join(folder, 'my trip');
    expect(pulled).toMatchObject({ folder: at, generation: 2, away: true });
    expect((await readFile(join(at, 'plan.md'), 'utf8')).trim()).toBe('buy milk');

    const waiting = await system.say('trip', 'read plan.md');
    expect(waiting.reply).toMatchObject({ outcome: 'failed', code: 'session-away' });
    expect((await system.say('trip', '/undo')).reply).toMatchObject({ code: 'session-away' });
    expect(await said('trip', '/status')).toContain("is on somebody's computer since");
    expect(await said('trip', '/handoff')).not.toContain('npx');

    const id = pulled.agent_session_id;
    expect(await onLaptop(at, id, 'what do you remember?')).toContain('call Ann');
    await onLaptop(at, id, 'write laptop.md: two eggs');
    await onLaptop(at, id, 'todo: pack the bag');

    expect(await json(['push', at])).toMatchObject({ chat: 'http/trip', generation: 3 });
    expect(await said('trip', 'read laptop.md')).toContain('two eggs');
    const known = await said('trip', 'what do you remember?');
    for (const text of ['buy milk', 'call Ann', 'two eggs', 'pack the bag']) expect(known).toContain(text);
    const undone = await said('trip', '/undo 3');
    expect(undone).toContain('what was done on a computer');
    expect(await said('trip', 'what do you remember?')).not.toContain('two eggs');
  });

  test(`${promise('WHOLE')} it can be taken again, and pushed again without having been pulled`, async () => {
    await said('again', 'write a.md: one');
    const { agent_session_id: id } = await json(['pull', 'again', '--to', 'first']);
    const first = join(folder, 'first');
    const unpushed = await command(['pull', 'again', '--to', 'second', '--again']);
    expect([unpushed.code, unpushed.err]).toEqual([5, expect.stringContaining('was not pushed')]);
    await onLaptop(first, id, 'todo: from the first');
    await json(['push', first]);
    await onLaptop(first, id, 'write a.md: two');
    expect(await json(['push', first])).toMatchObject({ generation: 3 });
    expect(await said('again', 'read a.md')).toContain('two');
    await json(['pull', 'again', '--to', 'second']);
    const second = join(folder, 'second');
    expect(await readdir(second)).toEqual(['a.md']);
    const stale = await command(['push', first]);
    expect([stale.code, stale.err]).toEqual([5, expect.stringContaining('--fork')]);
    expect(await json(['push', first, '--fork', 'old'])).toMatchObject({ chat: 'http/old' });
    expect(await said('old', 'what do you remember?')).toContain('from the first');
    expect(await json(['push', second])).toMatchObject({ chat: 'http/again' });
    await rm(second, { recursive: true });
    expect(await json(['pull', 'again', '--to', 'second'])).toMatchObject({ folder: second });
  });
});

describe('both sides go on', () => {
  for (const [how, args] of [
    ['the chat was told to go on here', []],
    ['the chat was never told', ['--chat-goes-on']],
  ] as const) {
    test(`${promise('WHOLE')} ${how}: what is pushed late is refused, and is a chat of its own with --fork`, async () => {
      const chat = `both${args.length}`;
      const at = join(folder, chat);
      await said(chat, 'write a.md: before');
      const { agent_session_id: id } = await json(['pull', chat, ...args]);
      if (args.length === 0) expect(await said(chat, '/handoff here')).toContain('We go on here');
      expect((await system.say(chat, 'write a.md: chat')).reply.outcome).toBe('ok');
      await onLaptop(at, id, 'write b.md: laptop');
      const stale = await command(['push', at]);
      expect([stale.code, stale.err]).toEqual([5, expect.stringContaining('The chat went on meanwhile')]);
      await json(['push', at, '--fork', `${chat}-mine`]);
      expect(await said(`${chat}-mine`, 'read b.md')).toContain('laptop');
      expect(await said(`${chat}-mine`, 'read a.md')).toContain('before');
      expect(await said(chat, 'read a.md')).toContain('chat');
      await onLaptop(at, id, 'write c.md: later');
      expect(await json(['push', at])).toMatchObject({ chat: `http/${chat}-mine` });
    });
  }

  test('told to go on here and nothing said since, a push is the next generation', async () => {
    await said('quiet', 'write a.md: one');
    const { agent_session_id: id } = await json(['pull', 'quiet']);
    await said('quiet', '/handoff here');
    await onLaptop(join(folder, 'quiet'), id, 'write a.md: two');
    expect(await json(['push', 'quiet'])).toMatchObject({ chat: 'http/quiet', generation: 3 });
    expect(await said('quiet', 'read a.md')).toContain('two');
  });

  test('a fork that is pushed freely lets the chat go on; after /new, the way back is said', async () => {
    await said('free', 'write a.md: one');
    await json(['pull', 'free']);
    await said('free', '/new');
    const pushed = await command(['push', 'free']);
    expect([pushed.code, pushed.err]).toEqual([0, expect.stringContaining('`/undo new` there')]);
    expect(await said('free', '/undo new')).toContain('The new session is undone');
    await json(['pull', 'free', '--to', 'free-2']);
    await json(['push', 'free-2', '--fork', 'freed']);
    expect(await said('free', 'read a.md')).toContain('one');
  });
});

describe('what is not there, or not to be trusted, is said', () => {
  const refused = async (args: readonly string[], code: number, words: string) => {
    const ran = await command(args);
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(words)]);
  };

  test('each with its exit code, and nothing is left behind', async () => {
    await said('plain', 'write a.md: one');
    await refused(['pull', 'nobody'], 4, 'There is no chat or session');
    await refused(['push', '.'], 3, 'No session was pulled to');
    await refused(['push', 'nowhere'], 4, 'There is no folder');
    await mkdir(join(folder, 'taken-name'));
    await refused(['pull', 'plain', '--to', 'taken-name'], 3, 'is there already');
    await refused(['push', '.', '--fork', 'a b'], 2, 'A chat name is');
    await json(['pull', 'plain']);
    await refused(['pull', 'plain', '--to', 'plain-2'], 5, '--again');
    await refused(['push', 'plain', '--fork', 'plain'], 5, 'is here already');
    const { agent_session_id: id } = await json(['push', 'plain']).then(() =>
      json(['pull', 'plain', '--to', 'plain-3']),
    );
    await rm(join(laptop.claude, 'projects', projectName(join(folder, 'plain-3')), `${id}.jsonl`));
    await refused(['push', 'plain-3'], 4, 'Nothing was pushed');
    expect((await readdir(folder)).filter((name) => name.includes('partial'))).toEqual([]);
  });

  test('files that a CLI obeys are laid only when that was asked for', async () => {
    await said('planted', 'run: mkdir .claude && echo {} > .claude/settings.json && echo ok');
    await refused(['pull', 'planted'], 3, '.claude/settings.json');
    expect(existsSync(join(folder, 'planted'))).toBe(false);
    expect((await system.say('planted', 'run: ls -a')).reply.outcome).toBe('ok');
    await json(['pull', 'planted', '--trust']);
    expect(existsSync(join(folder, 'planted', '.claude', 'settings.json'))).toBe(true);
  });
});

describe('the folder of transcripts is named as the CLI names it', () => {
  test.each(['plain', 'a b.c_ü/x-1', `${'long'.repeat(30)}/${'name'.repeat(30)}`])('%s', async (name) => {
    const at = join(folder, 'named', name);
    await mkdir(at, { recursive: true });
    const fresh = { ...laptop, claude: join(folder, `named-${name.length}`) };
    expect(await claude(fresh, at, ['hello'])).toMatchObject({ code: 0 });
    expect(await readdir(join(fresh.claude, 'projects'))).toEqual([projectName(at)]);
  });
});

describe(`${promise('WHOLE')} cut off at any point and begun again, nothing is lost`, () => {
  const cutOff = async (program: readonly string[], chat: string) => {
    const child = start([...program], {
      cwd: folder,
      env: { CLAUDE_CONFIG_DIR: laptop.claude, HYBRID_SESSIONS_DIR: system.dataDir },
      command: [process.execPath, join(import.meta.dirname, 'cut-off.ts')],
    });
    const end = await new Promise((done) => child.once('close', (_code, signal) => done(signal)));
    expect(end, chat).toBe('SIGKILL');
  };

  test.each(['restored', 'noted', 'half-laid', 'laid', 'marked'])('pull, at %s', async (point) => {
    const chat = `pull-${point}`;
    const at = join(folder, chat);
    await said(chat, 'write a.md: one');
    await cutOff([point, 'pull', chat], chat);
    const isLaid = existsSync(at);
    if (!isLaid) await json(['pull', chat]);
    expect((await readFile(join(at, 'a.md'), 'utf8')).trim()).toBe('one');
    await writeFile(join(at, 'b.md'), 'two');
    await json(['push', at]);
    expect(await said(chat, 'read b.md')).toContain('two');
    expect(await said(chat, 'what do you remember?')).toContain('one');
    expect((await readdir(folder)).filter((name) => name.startsWith(`${chat}.`))).toEqual([]);
  });

  test.each(
    ['staged', 'noted', 'saved', 'written'].flatMap((point) => [
      [point, 'back'],
      [point, 'fork'],
    ]),
  )('push, at %s, %s', async (point, way) => {
    const chat = `push-${point}-${way}`;
    const at = join(folder, chat);
    const to = way === 'fork' ? `${chat}-new` : chat;
    const args = ['push', chat, ...(way === 'fork' ? ['--fork', to] : [])];
    await said(chat, 'write a.md: one');
    await json(['pull', chat]);
    await writeFile(join(at, 'b.md'), 'two');
    await cutOff([point, ...args], chat);
    await writeFile(join(at, 'c.md'), 'three');
    await cutOff(['noted', ...args], chat);
    expect(await json(args)).toMatchObject({ chat: `http/${to}` });
    expect(await said(to, 'run: cat a.md b.md c.md')).toMatch(/one\s*twothree/);
    expect((await system.say(chat, 'read a.md')).reply.text).toContain('one');
  });
});
