// The command as a user meets it: results on standard output, one line on standard error when something is wrong,
// exit codes as documented.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { openDatabase } from '../../src/stores/sqlite/index.ts';
import { emptyFolder, LAUNCHER, run } from './fixture.ts';

const ERROR_LINE = /^error: [^\n]+\n$/;

async function project(): Promise<string> {
  const cwd = await emptyFolder();
  await mkdir(join(cwd, 'agent'));
  await writeFile(join(cwd, 'agent', 'system_prompt.md'), 'Be brief.');
  return cwd;
}

describe('what is wrong is one line that says what to do', () => {
  test.each([
    ['an unknown command', ['nothing'], 2, /unknown command/],
    ['an unknown option', ['start', '--colour'], 2, /unknown option/],
    ['a port that is none', ['start', '--port', '99999'], 2, /0 to 65535/],
    ['a bad chat name', ['chat', 'a b'], 2, /chat name/],
    ['--json alone', ['chat', '--json'], 2, /--once/],
  ])('%s', async (_name, args, code, message) => {
    const { code: got, out, err } = await run(args, { cwd: await emptyFolder() });
    expect([got, out]).toEqual([code, '']);
    expect(err).toMatch(message);
  });

  test.each([
    ['a bad PORT', { PORT: 'http' }, /PORT must be/],
    ['a bad log level', { HYBRID_SESSIONS_LOG: 'loud' }, /HYBRID_SESSIONS_LOG must be one of/],
    ['a short key', { HYBRID_SESSIONS_API_KEY: 'short' }, /at least 16/],
    ['an address without a key', { HOST: '0.0.0.0', PORT: '0' }, /bearer key.*HYBRID_SESSIONS_API_KEY/],
    [
      'an address that is not here',
      { HOST: '192.0.2.1', HYBRID_SESSIONS_API_KEY: 'k'.repeat(16) },
      /192\.0\.2\.1 is not an address/,
    ],
    ['a bad base URL', { ANTHROPIC_BASE_URL: 'nowhere' }, /ANTHROPIC_BASE_URL must be/],
    ['a bad bot token', { TELEGRAM_BOT_TOKEN: 'x' }, /TELEGRAM_BOT_TOKEN must look like/],
    ['a missing agent folder', { HYBRID_SESSIONS_AGENT: 'nowhere' }, /nowhere.*does not exist/],
    ['a missing configuration file', { HYBRID_SESSIONS_CONFIG: 'x.json' }, /x\.json cannot be read/],
  ])('%s', async (_name, env, message) => {
    const cwd = await project();
    const { code, out, err } = await run(['start'], { cwd, env });
    expect([code, out]).toEqual([3, '']);
    expect(err).toMatch(ERROR_LINE);
    expect(err).toMatch(message);
  });

  test.each([
    ['not JSON', '{', /is not JSON/],
    ['an unknown field', '{"worker":3}', /worker: no such field/],
    ['a wrong value', '{"retentionDays":0}', /retentionDays: /],
    ['a wrong nested value', '{"limits":{"workspaceBytes":"1GB"}}', /limits\.workspaceBytes: /],
    ['a name among user ids', '{"telegram":{"allowedUsers":["@ann"]}}', /telegram\.allowedUsers\.0: /],
    ['a paste that waits too long', '{"telegram":{"gatherPasteMs":60001}}', /telegram\.gatherPasteMs: /],
    ['a short key', '{"apiKeys":["short"]}', /apiKeys\.0: must be at least 16/],
  ])('a configuration file with %s', async (_name, text, message) => {
    const cwd = await project();
    await writeFile(join(cwd, 'hybrid-sessions.config.json'), text);
    const { code, err } = await run(['start'], { cwd });
    expect(code).toBe(3);
    expect(err).toMatch(ERROR_LINE);
    expect(err).toMatch(message);
  });

  test('a broken agent folder names file and field', async () => {
    const cwd = await project();
    await writeFile(join(cwd, 'agent', 'settings.json'), '{"tools":{"allow":["Fly"]},"sandbox":"prefer"}');
    const { code, err } = await run(['start'], { cwd });
    expect(code).toBe(3);
    expect(err).toMatch(ERROR_LINE);
    expect(err).toMatch(/settings\.json: tools\.allow\.0/);
  });

  test('a port in use', async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done));
    const { port } = other.address() as { port: number };
    const { code, err } = await run(['start', '--port', String(port)], { cwd: await project() });
    other.close();
    expect(code).toBe(3);
    expect(err).toMatch(ERROR_LINE);
    expect(err).toMatch(new RegExp(`Port ${port} is in use.*PORT`));
  });

  test('a data folder that is a file', async () => {
    const cwd = await project();
    await writeFile(join(cwd, 'file'), '');
    const { code, err } = await run(['start', '--data', 'file'], { cwd });
    expect(code).toBe(3);
    expect(err).toMatch(ERROR_LINE);
    expect(err).toMatch(/data folder .*file is not a folder.*HYBRID_SESSIONS_DIR/);
  });

  test.runIf(process.platform === 'linux')('a data folder where none can ever be made', async () => {
    const { code, err } = await run(['start', '--data', '/proc/sys/a/b'], { cwd: await project() });
    expect(code).toBe(3);
    expect(err).toMatch(ERROR_LINE);
    expect(err).toMatch(/data folder .* cannot be written.*HYBRID_SESSIONS_DIR/);
  });

  const boxed = existsSync('/usr/bin/bwrap') || process.env.HYBRID_SESSIONS_NO_SKIP;
  describe.runIf(boxed)('a disk (shown by bubblewrap) that', () => {
    const box = (...place: string[]) => [
      'bwrap',
      '--dev-bind',
      '/',
      '/',
      ...place,
      '--',
      process.execPath,
      LAUNCHER,
    ];
    test.each([
      ['is read-only', ['--ro-bind', '/usr', '/mnt'], /is on a read-only disk.*HYBRID_SESSIONS_DIR/],
      ['is full', ['--size', '65536', '--tmpfs', '/mnt'], /disk .* is full.*Free some space/],
    ])('%s', async (_name, place, message) => {
      const { code, err } = await run(['start', '--data', '/mnt/data'], {
        cwd: await project(),
        command: box(...place),
      });
      expect(code).toBe(3);
      expect(err).toMatch(ERROR_LINE);
      expect(err).toMatch(message);
    });
  });

  test('a database of a newer version stays untouched', async () => {
    const cwd = await project();
    const folder = join(cwd, '.hybrid-sessions');
    await mkdir(folder);
    const file = join(folder, 'sessions.db');
    openDatabase(file).close();
    const database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 9999; CREATE TABLE kept (x); INSERT INTO kept VALUES (7);');
    database.close();
    for (const command of [['start'], ['sessions', 'list'], ['doctor', '--json']]) {
      const { code, out, err } = await run(command, { cwd });
      expect(code).toBe(3);
      expect(out + err).toMatch(/newer/);
    }
    const again = new DatabaseSync(file);
    expect(again.prepare('SELECT x FROM kept').get()).toMatchObject({ x: 7 });
    expect(again.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 9999 });
    again.close();
  });

  test('a server that is not there', async () => {
    const { code, err } = await run(['chat', '--url', 'http://127.0.0.1:1', '--once', 'x'], {
      cwd: await emptyFolder(),
    });
    expect(code).toBe(3);
    expect(err).toMatch(ERROR_LINE);
    expect(err).toContain('No server answers at http://127.0.0.1:1');
  });

  test('looking at a data folder that is not there makes none', async () => {
    const cwd = await emptyFolder();
    const { code, err } = await run(['sessions', 'list'], { cwd });
    expect(code).toBe(4);
    expect(err).toMatch(ERROR_LINE);
    expect(await readdir(cwd)).toEqual([]);
  });

  test('DEBUG adds the stack', async () => {
    const { err } = await run(['sessions', 'list'], { cwd: await emptyFolder(), env: { DEBUG: '1' } });
    expect(err).toMatch(/^error: .*\n.*\n\s+at /s);
  });
});

describe('init', () => {
  test('makes a project that doctor approves of', async () => {
    const cwd = await emptyFolder();
    const made = await run(['init', 'my-agent'], { cwd });
    expect([made.code, made.err]).toEqual([0, '']);
    const place = join(cwd, 'my-agent');
    expect((await readdir(place)).sort()).toEqual([
      '.gitignore',
      'README.md',
      'agent',
      'hybrid-sessions.config.json',
      'package.json',
    ]);
    // From a checkout it is installed from there; scripts/check-package.mjs does it from a packed file.
    const manifest = JSON.parse(await readFile(join(place, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({
      name: 'my-agent',
      private: true,
      scripts: { start: 'hybrid-sessions start' },
    });
    const source = manifest.dependencies['hybrid-sessions'].replace('file:', '');
    expect(resolve(place, source)).toBe(resolve('.'));

    expect(await readFile(join(place, '.gitignore'), 'utf8')).toContain('.hybrid-sessions/');
    const checked = await run(['doctor', '--json'], { cwd: place, env: { PORT: '0' } });
    expect(checked.code, checked.out).toBe(0);
    const { ok, findings } = JSON.parse(checked.out);
    expect(ok).toBe(true);
    const agent = findings.find(({ name }: { name: string }) => name === 'agent folder');
    expect(agent.found).toContain(join('my-agent', 'agent'));
  });

  test('prints the manifest of an app that calls this address, with the rights that the channel needs', async () => {
    const cwd = await emptyFolder();
    const { code, out } = await run(['init', '--slack', '--url', 'https://agent.example.com/'], { cwd });
    expect([code, await readdir(cwd)]).toEqual([0, []]);
    const { features, settings, oauth_config: oauth } = JSON.parse(out);
    expect(settings.event_subscriptions.request_url).toBe('https://agent.example.com/slack');
    expect(settings.interactivity.request_url).toBe('https://agent.example.com/slack');
    expect(features.slash_commands[0].url).toBe('https://agent.example.com/slack');
    expect(oauth.scopes.bot).toEqual([
      ...['app_mentions:read', 'assistant:write', 'chat:write', 'commands'],
      ...['files:read', 'files:write', 'im:history'],
    ]);
    expect(settings.socket_mode_enabled).toBe(false);
    const behindRouter = JSON.parse((await run(['init', '--slack'], { cwd })).out).settings;
    expect(behindRouter.socket_mode_enabled).toBe(true);
    expect(JSON.stringify(behindRouter)).not.toContain('request_url');
    const wrong = await run(['init', '--slack', '--url', 'http://agent.example.com'], { cwd });
    expect([wrong.code, wrong.err]).toEqual([3, expect.stringMatching(/not an https address/)]);
    expect(await run(['init'], { cwd })).toMatchObject({ code: 2, err: expect.stringContaining("'dir'") });
  });

  test('writes nothing into a folder that holds something', async () => {
    const cwd = await emptyFolder();
    await writeFile(join(cwd, 'mine.txt'), 'mine');
    const { code, err } = await run(['init', '.'], { cwd });
    expect([code, err]).toEqual([3, expect.stringMatching(/not empty.*nothing was written/)]);
    expect(await readdir(cwd)).toEqual(['mine.txt']);
  });
});

describe('doctor', () => {
  test('says what is broken and how to mend it', async () => {
    const cwd = await emptyFolder();
    const env = {
      HYBRID_SESSIONS_AGENT: 'nowhere',
      HOST: '0.0.0.0',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:1',
    };
    const { code, out } = await run(['doctor', '--json'], { cwd, env });
    expect(code).toBe(3);
    const failed = JSON.parse(out).findings.filter(({ status }: { status: string }) => status === 'fail');
    expect(failed.map(({ name }: { name: string }) => name)).toEqual(['agent folder', 'access', 'model']);
    for (const { mend } of failed) expect(mend).toMatch(/\w{3,}/);
    const plain = await run(['doctor'], { cwd, env });
    expect(plain.out).toContain('3 things to mend.');
    expect(plain.out).not.toContain('\u001b');
  });
});

test('help names every command, and --version the version', async () => {
  const cwd = await emptyFolder();
  const { code, out } = await run(['--help'], { cwd });
  expect(code).toBe(0);
  for (const word of ['start', 'chat', 'sessions', 'doctor', 'init', 'Exit codes'])
    expect(out).toContain(word);
  const { version } = JSON.parse(await readFile('package.json', 'utf8'));
  expect((await run(['--version'], { cwd })).out.trim()).toBe(version);
});
