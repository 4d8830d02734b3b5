// `hybrid-sessions tenants` as an administrator uses it, beside a data folder that has real sessions in it.
import { existsSync } from 'node:fs';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { emptyFolder, type Ran, run } from './fixture.ts';

const SECRET = '123456:AAExampleExampleExampleExample';
const me = { HYBRID_SESSIONS_ADMIN: 'ann' };

async function ok(cwd: string, ...args: string[]): Promise<Ran> {
  const ran = await run(args, { cwd, env: me });
  expect([args.join(' '), ran.code, ran.err]).toEqual([args.join(' '), 0, expect.any(String)]);
  return ran;
}

async function json(cwd: string, ...args: string[]) {
  return JSON.parse((await ok(cwd, ...args, '--json')).out);
}

/** A chat of the default tenant, and a copy of it that belongs to `acme`. */
async function twoTenants(): Promise<string> {
  const cwd = await emptyFolder();
  await ok(cwd, 'chat', 'main', '--once', 'write notes.txt hello');
  await ok(cwd, 'sessions', 'export', 'main', 'copy');
  await ok(cwd, 'tenants', 'add', 'acme', '--bot', 'telegram/123456', '--secret', 'token=env:ACME_TOKEN');
  await ok(cwd, 'sessions', 'import', 'copy', '--tenant', 'acme', '--chat', 'main');
  return cwd;
}

describe('settings', () => {
  test('are changed field by field; a secret is rotated without a moment in which none is accepted', async () => {
    const cwd = await emptyFolder();
    const bot = ['--bot', 'telegram/1'];
    await ok(
      cwd,
      'tenants',
      'add',
      'acme',
      ...bot,
      '--secret',
      'token=env:OLD',
      '--allow-users',
      'telegram=7,8',
    );
    await ok(cwd, 'tenants', 'set', 'acme', ...bot, '--secret', 'token=file:/run/new', '--title', 'Acme');
    const both = await json(cwd, 'tenants', 'show', 'acme');
    expect(both).toMatchObject({ version: 2, status: 'active', settings: { title: 'Acme' } });
    expect(both.settings.bots[0].secrets).toEqual({ token: ['file:/run/new', 'env:OLD'] });
    expect(both.settings.access).toEqual({ telegram: { users: ['7', '8'], groups: [] } });
    await ok(cwd, 'tenants', 'set', 'acme', ...bot, '--drop-secret', 'token=env:OLD');
    await ok(cwd, 'tenants', 'set', 'acme', '--allow-groups', 'telegram=anyone');
    const { settings } = await json(cwd, 'tenants', 'show', 'acme');
    expect(settings.bots[0].secrets).toEqual({ token: ['file:/run/new'] });
    expect(settings.access).toEqual({ telegram: { users: ['7', '8'], groups: 'anyone' } });
  });

  test('made from an older version do not undo what somebody changed since', async () => {
    const cwd = await emptyFolder();
    await ok(cwd, 'tenants', 'add', 'acme', '--model', 'one');
    const { out } = await ok(cwd, 'tenants', 'show', 'acme', '--json');
    await writeFile(join(cwd, 'acme.json'), out);
    await ok(cwd, 'tenants', 'set', 'acme', '--model', 'two');
    const late = await run(['tenants', 'set', 'acme', '--settings', 'acme.json', '--title', 'late'], { cwd });
    expect(late.code).toBe(5);
    expect(late.err).toMatch(/Somebody else changed.*again/);
    expect((await json(cwd, 'tenants', 'show', 'acme')).settings).toMatchObject({
      model: 'two',
      title: null,
    });
  });

  test.each([
    ['a secret itself', ['--bot', 'telegram/1', '--secret', `token=${SECRET}`], /where the secret is/],
    ['a secret in a file', ['--settings', 'bad.json'], /secrets\.token\.0.*where the secret is/],
    ['an unknown field', ['--settings', 'unknown.json'], /models: no such field/],
    ['a bot without its channel', ['--bot', '123'], /channel\/bot/],
    ['people without a channel', ['--allow-users', '7'], /channel=ids/],
    ['a secret of no bot', ['--secret', 'token=env:A'], /--bot/],
  ])('refuse %s, and never repeat what may be a secret', async (_name, options, message) => {
    const cwd = await emptyFolder();
    const bots = [{ channel: 'telegram', bot: '1', secrets: { token: [SECRET] } }];
    await writeFile(join(cwd, 'bad.json'), JSON.stringify({ bots }));
    await writeFile(join(cwd, 'unknown.json'), JSON.stringify({ models: 'x' }));
    const { code, err, out } = await run(['tenants', 'add', 'acme', ...options], { cwd });
    expect(code).not.toBe(0);
    expect(err).toMatch(message);
    expect(out + err).not.toContain(SECRET);
    expect(out + err).not.toContain(SECRET.slice(10));
  });

  test('say who gets in when nobody does, and two tenants cannot have one bot', async () => {
    const cwd = await emptyFolder();
    const first = await ok(cwd, 'tenants', 'add', 'acme', '--bot', 'telegram/1', '--secret', 'token=env:A');
    expect(first.err).toMatch(/Nobody may write on telegram/);
    const second = await run(['tenants', 'add', 'beta', '--bot', 'telegram/1'], { cwd });
    expect([second.code, second.err]).toEqual([5, expect.stringMatching(/belongs to another tenant/)]);
    const twice = await run(['tenants', 'add', 'acme'], { cwd });
    expect([twice.code, twice.err]).toEqual([5, expect.stringMatching(/already/)]);
    const nobody = await run(['tenants', 'show', 'beta'], { cwd });
    expect([nobody.code, nobody.err]).toEqual([4, expect.stringMatching(/no tenant "beta".*list/)]);
    const badName = await run(['tenants', 'add', 'A/B'], { cwd });
    expect(badName.code).toBe(2);
    expect((await ok(cwd, 'tenants', 'list')).out).toMatch(/acme\s+active\s+telegram\/1/);
  });
});

test('whoever writes to a tenant that is switched off is told so; nothing is lost, and it can be switched on', async () => {
  const cwd = await emptyFolder();
  await ok(cwd, 'chat', 'main', '--once', 'remember 7');
  await ok(cwd, 'tenants', 'add', 'default');
  await ok(cwd, 'tenants', 'disable', 'default');
  const refused = await run(['chat', 'main', '--once', 'and now?'], { cwd });
  expect(refused.code).not.toBe(0);
  expect(refused.out + refused.err).toMatch(/switched off/);
  await ok(cwd, 'tenants', 'enable', 'default');
  const answered = await ok(cwd, 'chat', 'main', '--once', 'still there?');
  expect(answered.out).not.toBe('');
  expect((await json(cwd, 'sessions', 'show', 'main')).turns.length).toBeGreaterThanOrEqual(2);
});

describe('export', () => {
  test('holds the record, every chat in the shape of an exported session, turns and acts; no secret', async () => {
    const cwd = await twoTenants();
    const exported = await json(cwd, 'tenants', 'export', 'acme', 'all');
    expect(exported).toMatchObject({ chats: 1, sessions: 1, unreadable: [] });
    const folder = join(cwd, 'all');
    expect((await readdir(folder)).sort()).toEqual([
      'audit.jsonl',
      'chats',
      'dead-letters.jsonl',
      'index.json',
      'tenant.json',
    ]);
    const [session = ''] = (await readdir(join(folder, 'chats', '0001'))).filter((name) =>
      /^[0-9a-f-]{36}$/.test(name),
    );
    expect((await readdir(join(folder, 'chats', '0001', session))).sort()).toEqual(
      (await readdir(join(cwd, 'copy'))).sort(),
    );
    const chat = JSON.parse(await readFile(join(folder, 'chats', '0001', 'chat.json'), 'utf8'));
    expect(chat).toMatchObject({ conversation: { tenant: 'acme', chat: 'main' }, current_session: session });
    expect(await readFile(join(folder, 'audit.jsonl'), 'utf8')).toContain('session-imported');
    const again = await run(['tenants', 'export', 'acme', 'all'], { cwd });
    expect(again.err).toMatch(/is there already/);
    // It can be taken in elsewhere.
    const other = await emptyFolder();
    await ok(other, 'sessions', 'import', join(folder, 'chats', '0001', session), '--chat', 'back');
  });

  test('follows no link that the agent made', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'private.txt'), 'PRIVATE-OF-THE-MACHINE');
    await ok(cwd, 'chat', 'main', '--once', 'hello');
    await ok(cwd, 'sessions', 'export', 'main', 'copy');
    const manifest = JSON.parse(await readFile(join(cwd, 'copy', 'session.json'), 'utf8'));
    const id = '11111111-2222-4333-8444-555555555555';
    await writeFile(join(cwd, 'copy', 'session.json'), JSON.stringify({ ...manifest, session_id: id }));
    const project = join(cwd, 'copy', 'config', 'projects', 'session');
    await symlink(join(cwd, 'private.txt'), join(project, `${id}.jsonl`));
    await symlink(cwd, join(cwd, 'copy', 'config', 'debug')).catch(() => {});
    await writeFile(join(cwd, `${id}.txt`), 'PRIVATE-OF-THE-MACHINE');
    await ok(cwd, 'sessions', 'import', 'copy', '--chat', 'linked');
    await ok(cwd, 'sessions', 'export', 'linked', 'out');
    for (const name of ['conversation.jsonl', 'debug.txt', 'todos.json']) {
      expect(await readFile(join(cwd, 'out', name), 'utf8')).not.toContain('PRIVATE');
    }
  });
});

describe('erase', () => {
  test('removes everything of one tenant, lists what is left, and leaves the others alone', async () => {
    const cwd = await twoTenants();
    const before = await json(cwd, 'sessions', 'list');
    const erased = await ok(cwd, 'tenants', 'erase', 'acme', '--yes');
    expect(erased.out).toMatch(/Erased acme \(1 chats, [1-9]\d* objects\)/);
    for (const kind of [
      'sessions',
      'turns',
      'conversations',
      'events',
      'objects',
      'dead letters',
      'waiting messages',
    ]) {
      expect(erased.out).toMatch(new RegExp(`${kind}\\s+0\n`));
    }
    expect(erased.err).toContain('env:ACME_TOKEN');
    expect(existsSync(join(cwd, '.hybrid-sessions', 'objects', 'acme'))).toBe(false);
    expect(await json(cwd, 'sessions', 'list')).toEqual(before);
    expect((await json(cwd, 'sessions', 'list', '--tenant', 'acme')).sessions).toEqual([]);
    expect((await json(cwd, 'tenants', 'list')).tenants).toEqual([]);
    await ok(cwd, 'chat', 'main', '--once', 'still there?');
    // Its bot is free, and a second run finds nothing.
    await ok(cwd, 'tenants', 'add', 'beta', '--bot', 'telegram/123456', '--secret', 'token=env:B');
    expect((await ok(cwd, 'tenants', 'erase', 'acme', '--yes')).out).toMatch(
      /Erased acme \(0 chats, 0 objects\)/,
    );
  });

  test('goes on after it was cut off at any point', async () => {
    const cwd = await twoTenants();
    const file = join(cwd, '.hybrid-sessions', 'sessions.db');
    const database = new DatabaseSync(file);
    // As a kill leaves it: marked, heads gone, objects and lines still there.
    database.exec("UPDATE tenants SET status = 'erasing' WHERE tenant = 'acme'");
    database.exec(
      "DELETE FROM heads WHERE tenant = 'acme'; DELETE FROM mappings WHERE session_key LIKE 'acme/%'",
    );
    database.close();
    const enable = await run(['tenants', 'enable', 'acme'], { cwd });
    expect([enable.code !== 0, enable.err]).toEqual([true, expect.stringMatching(/being erased/)]);
    const { left, objects } = await json(cwd, 'tenants', 'erase', 'acme', '--yes');
    expect(objects).toBeGreaterThan(0);
    expect(Object.values(left).every((count) => count === 0)).toBe(true);
    expect(existsSync(join(cwd, '.hybrid-sessions', 'objects', 'acme'))).toBe(false);
  });

  test('leaves no text of the tenant in the database file', async () => {
    const cwd = await emptyFolder();
    const canary = 'canary-4711-of-acme';
    await ok(cwd, 'chat', 'main', '--once', canary);
    const stored = async () => {
      const names = await readdir(join(cwd, '.hybrid-sessions'));
      const files = names.filter((name) => name.startsWith('sessions.db'));
      const texts = await Promise.all(
        files.map((name) => readFile(join(cwd, '.hybrid-sessions', name), 'latin1')),
      );
      return texts.join('');
    };
    expect(await stored()).toContain(canary);
    await ok(cwd, 'tenants', 'erase', 'default', '--yes');
    expect(await stored()).not.toContain(canary);
  });

  test('asks first', async () => {
    const cwd = await twoTenants();
    const { code, err } = await run(['tenants', 'erase', 'acme'], { cwd, input: 'n\n' });
    expect(code).not.toBe(0);
    expect(err).toMatch(/Nothing was erased|--yes/);
    expect((await json(cwd, 'sessions', 'list', '--tenant', 'acme')).sessions).toHaveLength(1);
  });
});

test('the audit log tells who did what, also to sessions and to what is gone', async () => {
  const cwd = await twoTenants();
  await ok(cwd, 'sessions', 'erase', 'main', '--yes');
  await ok(cwd, 'tenants', 'disable', 'acme');
  await ok(cwd, 'tenants', 'export', 'acme', 'all');
  await ok(cwd, 'tenants', 'erase', 'acme', '--yes');
  const { audit } = await json(cwd, 'tenants', 'audit');
  expect(audit.map(({ action, tenant }: Record<string, string>) => [action, tenant])).toEqual([
    ['tenant-erased', 'acme'],
    ['tenant-removed', 'acme'],
    ['tenant-erasing', 'acme'],
    ['tenant-exported', 'acme'],
    ['tenant-disabled', 'acme'],
    ['chat-erased', 'default'],
    ['session-imported', 'acme'],
    ['tenant-added', 'acme'],
    ['session-exported', 'default'],
  ]);
  expect(new Set(audit.map(({ by }: Record<string, string>) => by))).toEqual(new Set(['ann']));
  expect((await json(cwd, 'tenants', 'audit', '--tenant', 'default')).audit).toHaveLength(2);
  expect((await ok(cwd, 'tenants', 'audit', '--limit', '2')).out.trim().split('\n')).toHaveLength(3);
});
