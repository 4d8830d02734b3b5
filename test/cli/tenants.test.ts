// `hybrid-sessions tenants` as an administrator uses it, beside a data folder that has sessions in it. The commands run in
// this process, apart from those that show how options are read.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { CliContext, DataOptions } from '../../src/cli/context.ts';
import { exportSession } from '../../src/cli/export.ts';
import { errorLine, exitCodeOf } from '../../src/cli/failure.ts';
import { importSession } from '../../src/cli/import.ts';
import * as sessions from '../../src/cli/sessions.ts';
import { exportTenant } from '../../src/cli/tenant-export.ts';
import type { TenantOptions } from '../../src/cli/tenant-settings.ts';
import * as tenants from '../../src/cli/tenants.ts';
import { createTerminal, type TerminalStreams } from '../../src/cli/terminal.ts';
import { newSessionId, type SessionKey, type Tenant, turnIdOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { countersOf, NO_USAGE } from '../../src/core/usage-counters.ts';
import { readConfiguration } from '../../src/local/configuration.ts';
import { openStores } from '../../src/local/stores.ts';
import { emptyFolder, type Ran, run } from './fixture.ts';

const SECRET = '123456:AAExampleExampleExampleExample';
const ME = { HYBRID_SESSIONS_ADMIN: 'ann' };

type Command = (context: CliContext) => Promise<unknown>;

/** As the command line runs it: exit code, output, one error line. */
async function command(cwd: string, what: Command): Promise<Ran> {
  const said = { out: '', err: '' };
  const into = (name: keyof typeof said) => ({
    write(text: string) {
      said[name] += text;
    },
  });
  const streams = { stdin: {}, stdout: into('out'), stderr: into('err'), noColor: true };
  const terminal = createTerminal(streams as unknown as TerminalStreams);
  let code: number | null = 0;
  try {
    const ended = await what({ env: ME, cwd, terminal, version: 'test' });
    if (typeof ended === 'number') code = ended;
  } catch (error) {
    code = exitCodeOf(error);
    terminal.note(errorLine(error));
  }
  return { code, ...said };
}

async function ok(cwd: string, what: Command): Promise<Ran> {
  const ran = await command(cwd, what);
  expect([ran.code, ran.err]).toEqual([0, expect.any(String)]);
  return ran;
}

async function json(cwd: string, what: (context: CliContext, options: DataOptions) => Promise<unknown>) {
  return JSON.parse((await ok(cwd, (context) => what(context, { json: true }))).out);
}

const add =
  (name: string, options: TenantOptions = {}): Command =>
  (context) =>
    tenants.add(context, name, options);
const set =
  (name: string, options: TenantOptions): Command =>
  (context) =>
    tenants.set(context, name, options);
const erase =
  (name: string): Command =>
  (context) =>
    tenants.erase(context, name, { yes: true });
const shown = (cwd: string, name: string) =>
  json(cwd, (context, options) => tenants.show(context, name, options));
const listed = (cwd: string, tenant?: string) =>
  json(cwd, (context, options) =>
    sessions.list(context, { ...options, ...(tenant && { tenant }), limit: 50 }),
  );

/** A session of one turn with a file in its workspace, as a worker leaves it. */
async function plantSession(cwd: string, tenant: string, text = 'hello'): Promise<void> {
  const stores = await openStores(readConfiguration({ env: {}, cwd }), { create: true });
  const root = join(cwd, `plant-${tenant}`);
  const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
  try {
    await mkdir(join(directory.config, 'projects', 'session'), { recursive: true });
    await mkdir(directory.workspace, { recursive: true });
    await writeFile(join(directory.workspace, 'notes.txt'), text);
    const conversation = { tenant, channel: 'http', bot: 'local', chat: 'main', thread: null };
    const request = turnRequest({ conversation, dedupeId: 'm1', text, receivedAtMs: 1 });
    const begin = {
      request,
      owner: 'w',
      leaseMs: 60_000,
      newSessionId: newSessionId(),
      retentionSec: 86_400,
    };
    const { lease, head } = await stores.store.begin(begin);
    await writeFile(join(directory.config, 'projects', 'session', `${head.sessionId}.jsonl`), '{}\n');
    const { baseline } = await stores.state.restore(head, directory);
    const saved = await stores.state.checkpoint({ head, generation: 1, fence: 1, baseline, directory });
    await stores.store.commit({
      lease,
      turnId: request.turnId,
      baseGeneration: 0,
      generation: 1,
      state: saved.state,
      reply: { outcome: 'ok', text: `heard ${text}` },
      retentionSec: 86_400,
    });
    await stores.events.append(lease.tenant, request.turnId, [{ type: 'text', text }]);
    await stores.store.settle(lease, request.turnId, 'delivered');
    await stores.store.release(lease);
  } finally {
    await stores.close();
  }
}

async function twoTenants(): Promise<string> {
  const cwd = await emptyFolder();
  await plantSession(cwd, 'default');
  await plantSession(cwd, 'acme');
  await ok(cwd, add('acme', { bot: 'telegram/123456', secret: ['token=env:ACME_TOKEN'] }));
  return cwd;
}

describe('settings', () => {
  test('are changed field by field; a secret is rotated without a moment in which none is accepted', async () => {
    const cwd = await emptyFolder();
    const bot = 'telegram/1';
    await ok(cwd, add('acme', { bot, secret: ['token=env:OLD'], allowUsers: ['telegram=7,8'] }));
    await ok(cwd, set('acme', { bot, secret: ['token=file:/run/new'], title: 'Acme' }));
    const both = await shown(cwd, 'acme');
    expect(both).toMatchObject({ version: 2, status: 'active', settings: { title: 'Acme' } });
    expect(both.settings.bots[0].secrets).toEqual({ token: ['file:/run/new', 'env:OLD'] });
    expect(both.settings.access).toEqual({ telegram: { users: ['7', '8'], groups: [] } });
    await ok(cwd, set('acme', { bot, dropSecret: ['token=env:OLD'] }));
    await ok(cwd, set('acme', { allowGroups: ['telegram=anyone'] }));
    const { settings } = await shown(cwd, 'acme');
    expect(settings.bots[0].secrets).toEqual({ token: ['file:/run/new'] });
    expect(settings.access).toEqual({ telegram: { users: ['7', '8'], groups: 'anyone' } });
  });

  test('made from an older version do not undo what somebody changed since', async () => {
    const cwd = await emptyFolder();
    await ok(cwd, add('acme', { model: 'one' }));
    await writeFile(join(cwd, 'acme.json'), JSON.stringify(await shown(cwd, 'acme')));
    await ok(cwd, set('acme', { model: 'two' }));
    const late = await command(cwd, set('acme', { settings: 'acme.json', title: 'late' }));
    expect([late.code, late.err]).toEqual([5, expect.stringMatching(/Somebody else changed.*again/)]);
    expect((await shown(cwd, 'acme')).settings).toMatchObject({ model: 'two', title: null });
  });

  test.each<[string, TenantOptions, RegExp]>([
    ['a secret itself', { bot: 'telegram/1', secret: [`token=${SECRET}`] }, /where the secret is/],
    ['a secret in a file', { settings: 'bad.json' }, /secrets\.token\.0.*where the secret is/],
    ['an unknown field', { settings: 'unknown.json' }, /models: no such field/],
    ['a bot without its channel', { bot: '123' }, /channel\/bot/],
    ['people without a channel', { allowUsers: ['7'] }, /channel=ids/],
    ['a name among user ids', { allowUsers: ['telegram=@ann'] }, /telegram\.users/],
    ['a secret of no bot', { secret: ['token=env:A'] }, /--bot/],
  ])('refuse %s, and never repeat what may be a secret', async (_name, options, message) => {
    const cwd = await emptyFolder();
    const bots = [{ channel: 'telegram', bot: '1', secrets: { token: [SECRET] } }];
    await writeFile(join(cwd, 'bad.json'), JSON.stringify({ bots }));
    await writeFile(join(cwd, 'unknown.json'), JSON.stringify({ models: 'x' }));
    const { code, err, out } = await command(cwd, add('acme', options));
    expect([code !== 0, err]).toEqual([true, expect.stringMatching(message)]);
    expect(out + err).not.toContain(SECRET.slice(10));
  });

  test('say who gets in when nobody does, and two tenants cannot have one bot', async () => {
    const cwd = await emptyFolder();
    const first = await ok(cwd, add('acme', { bot: 'telegram/1', secret: ['token=env:A'] }));
    expect(first.err).toMatch(/Nobody may write on telegram/);
    const second = await command(cwd, add('beta', { bot: 'telegram/1' }));
    expect([second.code, second.err]).toEqual([5, expect.stringMatching(/belongs to another tenant/)]);
    const twice = await command(cwd, add('acme'));
    expect([twice.code, twice.err]).toEqual([5, expect.stringMatching(/already/)]);
    const nobody = await command(cwd, (context) => tenants.show(context, 'beta', {}));
    expect([nobody.code, nobody.err]).toEqual([4, expect.stringMatching(/no tenant "beta".*list/)]);
    expect((await command(cwd, add('A/B'))).code).toBe(2);
    const { out } = await ok(cwd, (context) => tenants.list(context, {}));
    expect(out).toMatch(/acme\s+active\s+telegram\/1/);
  });

  test('are read from the command line', async () => {
    const cwd = await emptyFolder();
    const options = ['--bot', 'telegram/1', '--secret', 'token=env:A', '--secret', 'webhookSecret=ssm:/b'];
    const people = ['--allow-users', 'telegram=7', '--allow-users', 'pager=anyone', '--json'];
    const { code, out, err } = await run(['tenants', 'add', 'acme', ...options, ...people], { cwd, env: ME });
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out).settings).toMatchObject({
      bots: [{ channel: 'telegram', bot: '1', secrets: { token: ['env:A'], webhookSecret: ['ssm:/b'] } }],
      access: { telegram: { users: ['7'] }, pager: { users: 'anyone' } },
    });
    expect((await run(['tenants', 'add', 'acme', '--colour'], { cwd })).code).toBe(2);
  });
});

test('what is switched off can be switched on, what is being erased cannot', async () => {
  const cwd = await twoTenants();
  const status =
    (to: 'active' | 'disabled'): Command =>
    (context) =>
      tenants.setStatus(context, 'acme', to, {});
  expect((await ok(cwd, status('disabled'))).out).toMatch(/told so.*everything is kept/);
  await ok(cwd, status('disabled'));
  expect((await shown(cwd, 'acme')).version).toBe(2);
  expect((await listed(cwd, 'acme')).sessions).toHaveLength(1);
  await ok(cwd, status('active'));
  expect((await shown(cwd, 'acme')).status).toBe('active');
});

describe('export', () => {
  test('holds the record, every chat in the shape of an exported session, turns and acts', async () => {
    const cwd = await twoTenants();
    const { sessions: all } = await listed(cwd, 'acme');
    await ok(cwd, (context) => exportSession(context, all[0].session_id, 'one', { tenant: 'acme' }));
    const exported = await json(cwd, (context, options) => exportTenant(context, 'acme', 'all', options));
    expect(exported).toMatchObject({ chats: 1, sessions: 1, turns: 1, unreadable: [] });
    const folder = join(cwd, 'all');
    const read = (...path: string[]) => readFile(join(folder, ...path), 'utf8');
    expect((await readdir(folder)).sort()).toEqual([
      'audit.jsonl',
      'chats',
      'dead-letters.jsonl',
      'index.json',
      'tenant.json',
    ]);
    const session: string = all[0].session_id;
    const chat = ['chats', '0001'];
    expect((await readdir(join(folder, ...chat))).sort()).toEqual(
      [session, 'chat.json', 'events.jsonl', 'schedules.json', 'turns.jsonl', 'usage.json'].sort(),
    );
    expect((await readdir(join(folder, ...chat, session))).sort()).toEqual(
      (await readdir(join(cwd, 'one'))).sort(),
    );
    expect(await read(...chat, session, 'workspace', 'notes.txt')).toBe('hello');
    expect(JSON.parse(await read(...chat, 'turns.jsonl')).reply.text).toBe('heard hello');
    expect(JSON.parse(await read(...chat, 'chat.json'))).toMatchObject({
      conversation: { tenant: 'acme', chat: 'main' },
      current_session: session,
    });
    expect(await read('audit.jsonl')).toContain('session-exported');
    expect(JSON.parse(await read('tenant.json')).settings.bots[0].secrets).toEqual({
      token: ['env:ACME_TOKEN'],
    });
    const again = await command(cwd, (context) => exportTenant(context, 'acme', 'all', {}));
    expect(again.err).toMatch(/is there already/);
    // It can be taken in elsewhere, and for whom is said there.
    const other = await emptyFolder();
    const from = join(folder, ...chat, session);
    await ok(other, (context) => importSession(context, from, { tenant: 'beta' }));
    expect((await listed(other, 'beta')).sessions).toHaveLength(1);
    expect((await listed(other)).sessions).toHaveLength(0);
  });

  test('of one chat: everything that is held about it; erased, nothing of it is left, and the rest is', async () => {
    const cwd = await emptyFolder();
    const word = 'xylophone';
    await plantSession(cwd, 'default', word);
    await plantSession(cwd, 'acme', word);
    const { sessions: all } = await listed(cwd);
    const session: string = all[0].session_id;
    const stores = await openStores(readConfiguration({ env: {}, cwd }), { create: true });
    const key = 'default/http/local/main/-' as SessionKey;
    const { items } = await stores.store.listTurns(key);
    const turnId = items[0]!.turnId;
    const other = { tenant: 'default' as Tenant, sessionKey: 'default/http/local/other/-' as SessionKey };
    const used = { ...NO_USAGE, calls: 3 };
    await stores.usage.add(countersOf({ tenant: other.tenant, sessionKey: key, turnId }, Date.now()), used);
    await stores.usage.add(countersOf({ ...other, turnId: turnIdOf(key, 'x') }, Date.now()), used);
    const chat = { tenant: other.tenant, scope: 'chat', id: key } as const;
    await stores.places.take({ ...chat, list: 'waiting' }, turnId, { limit: 9, keepSec: 900 });
    const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'main', thread: null };
    await stores.queue.send(turnRequest({ conversation, dedupeId: 'm1', text: word, receivedAtMs: 1 }));
    const [waiting] = await stores.queue.receive({ max: 1, waitMs: 0, visibilityMs: 60_000 });
    await waiting!.deadLetter('on purpose');

    const everything = { everything: true };
    const exported = await json(cwd, (context, options) =>
      exportSession(context, session, 'all', { ...options, ...everything }),
    );
    expect(exported).toMatchObject({ sessions: 1, turns: 1, events: 1, unreadable: [] });
    const read = (name: string) => readFile(join(cwd, 'all', name), 'utf8');
    expect((await readdir(join(cwd, 'all'))).sort()).toEqual(
      [
        session,
        'chat.json',
        'dead-letters.jsonl',
        'events.jsonl',
        'schedules.json',
        'turns.jsonl',
        'usage.json',
      ].sort(),
    );
    expect(JSON.parse(await read('turns.jsonl')).reply.text).toBe(`heard ${word}`);
    expect(JSON.parse(await read('events.jsonl'))).toMatchObject({ turnId, event: { text: word } });
    expect(JSON.parse(await read('usage.json'))[0]).toMatchObject({ period: 'month', usage: { calls: 3 } });
    expect(JSON.parse(await read('dead-letters.jsonl'))).toMatchObject({ reason: 'on purpose' });

    const erased = await json(cwd, (context, options) =>
      sessions.erase(context, session, { ...options, yes: true }),
    );
    const kinds = [
      'conversations',
      'sessions',
      'turns',
      'events',
      'links',
      'objects',
      'usage counters',
      'dead letters',
    ];
    expect(erased.left).toEqual(Object.fromEntries(kinds.map((kind) => [kind, 0])));
    expect(await stores.usage.history(chat)).toEqual([]);
    expect(await stores.usage.history({ tenant: other.tenant, scope: 'turn', id: turnId })).toEqual([]);
    expect(await stores.places.holders({ ...chat, list: 'waiting' })).toEqual([]);
    // Of others everything is there still.
    expect(await stores.usage.history({ ...chat, id: other.sessionKey })).toHaveLength(2);
    expect(await stores.usage.history({ ...chat, scope: 'tenant', id: '' })).toHaveLength(2);
    expect((await stores.holdings.count('acme' as Tenant)).turns).toBe(1);
    await stores.close();
    expect((await listed(cwd, 'acme')).sessions).toHaveLength(1);
  });

  test('follows no link that the agent made', async () => {
    const cwd = await emptyFolder();
    await plantSession(cwd, 'default');
    const { sessions: all } = await listed(cwd);
    await ok(cwd, (context) => exportSession(context, all[0].session_id, 'copy', {}));
    const id = '11111111-2222-4333-8444-555555555555';
    const manifest = JSON.parse(await readFile(join(cwd, 'copy', 'session.json'), 'utf8'));
    await writeFile(join(cwd, 'copy', 'session.json'), JSON.stringify({ ...manifest, session_id: id }));
    const [config, outside] = [join(cwd, 'copy', 'config'), join(cwd, 'outside')];
    await mkdir(join(outside, id), { recursive: true });
    for (const name of [`${id}.jsonl`, `${id}.txt`, join(id, '1.json')]) {
      await writeFile(join(outside, name), '{"PRIVATE":1}');
    }
    // A file, and the folders that files are looked for in.
    await symlink(join(outside, `${id}.jsonl`), join(config, 'projects', 'session', `${id}.jsonl`));
    await symlink(outside, join(config, 'debug'));
    await symlink(outside, join(config, 'tasks'));
    await ok(cwd, (context) => importSession(context, 'copy', { chat: 'linked' }));
    await ok(cwd, (context) => exportSession(context, id, 'out', {}));
    for (const name of ['conversation.jsonl', 'debug.txt', 'todos.json']) {
      expect(await readFile(join(cwd, 'out', name), 'utf8')).not.toContain('PRIVATE');
    }
  });
});

describe('erase', () => {
  const KINDS = [
    'sessions',
    'turns',
    'conversations',
    'events',
    'objects',
    'dead letters',
    'waiting messages',
  ];

  test('removes everything of one tenant, lists what is left, and leaves the others alone', async () => {
    const cwd = await twoTenants();
    const before = await listed(cwd);
    const { out, err } = await ok(cwd, erase('acme'));
    expect(out).toMatch(/Erased acme \(1 chats, [1-9]\d* objects\)/);
    for (const kind of KINDS) expect(out).toMatch(new RegExp(`${kind}\\s+0\n`));
    expect(err).toContain('env:ACME_TOKEN');
    expect(existsSync(join(cwd, '.hybrid-sessions', 'objects', 'acme'))).toBe(false);
    expect(await listed(cwd)).toEqual(before);
    expect((await listed(cwd, 'acme')).sessions).toEqual([]);
    // Its bot is free, and a second run finds nothing.
    await ok(cwd, add('beta', { bot: 'telegram/123456', secret: ['token=env:B'] }));
    expect((await ok(cwd, erase('acme'))).out).toMatch(/Erased acme \(0 chats, 0 objects\)/);
  });

  test('goes on after it was cut off', async () => {
    const cwd = await twoTenants();
    const database = new DatabaseSync(join(cwd, '.hybrid-sessions', 'sessions.db'));
    // As a kill leaves it: marked, heads gone, objects and lines still there.
    database.exec("UPDATE tenants SET status = 'erasing' WHERE tenant = 'acme'");
    database.exec(
      "DELETE FROM heads WHERE tenant = 'acme'; DELETE FROM mappings WHERE session_key LIKE 'acme/%'",
    );
    database.close();
    const enable = await command(cwd, (context) => tenants.setStatus(context, 'acme', 'active', {}));
    expect([enable.code !== 0, enable.err]).toEqual([true, expect.stringMatching(/being erased/)]);
    const { left, held } = await json(cwd, (context, options) =>
      tenants.erase(context, 'acme', { ...options, yes: true }),
    );
    expect(held.objects).toBeGreaterThan(0);
    expect(Object.values(left).every((count) => count === 0)).toBe(true);
    expect(existsSync(join(cwd, '.hybrid-sessions', 'objects', 'acme'))).toBe(false);
  });

  test('leaves no text of the tenant in the database file', async () => {
    const cwd = await emptyFolder();
    const canary = 'canary-4711-of-acme';
    await plantSession(cwd, 'acme', canary);
    const data = join(cwd, '.hybrid-sessions');
    const stored = async () => {
      const files = (await readdir(data)).filter((name) => name.startsWith('sessions.db'));
      return (await Promise.all(files.map((name) => readFile(join(data, name), 'latin1')))).join('');
    };
    expect(await stored()).toContain(canary);
    await ok(cwd, erase('acme'));
    expect(await stored()).not.toContain(canary);
  });

  test('asks first', async () => {
    const cwd = await twoTenants();
    const { code, err } = await command(cwd, (context) => tenants.erase(context, 'acme', {}));
    expect([code, err]).toEqual([2, expect.stringMatching(/Nothing was erased.*--yes/)]);
    expect((await listed(cwd, 'acme')).sessions).toHaveLength(1);
  });
});

test('the audit log tells who did what, also to sessions and to what is gone', async () => {
  const cwd = await twoTenants();
  await ok(cwd, (context) => sessions.erase(context, 'main', { yes: true }));
  await ok(cwd, (context) => tenants.setStatus(context, 'acme', 'disabled', {}));
  await ok(cwd, (context) => exportTenant(context, 'acme', 'all', {}));
  await ok(cwd, erase('acme'));
  const { audit } = await json(cwd, (context, options) => tenants.audit(context, { ...options, limit: 50 }));
  expect(audit.map(({ action, tenant }: Record<string, string>) => [action, tenant])).toEqual([
    ['tenant-erased', 'acme'],
    ['tenant-removed', 'acme'],
    ['tenant-erasing', 'acme'],
    ['tenant-exported', 'acme'],
    ['tenant-disabled', 'acme'],
    ['chat-erased', 'default'],
    ['tenant-added', 'acme'],
  ]);
  expect(new Set(audit.map(({ by }: Record<string, string>) => by))).toEqual(new Set(['ann']));
  const two = await ok(cwd, (context) => tenants.audit(context, { limit: 2 }));
  expect(two.out.trim().split('\n')).toHaveLength(3);
  const one = await json(cwd, (context, options) =>
    tenants.audit(context, { ...options, limit: 50, tenant: 'default' }),
  );
  expect(one.audit).toHaveLength(1);
});
