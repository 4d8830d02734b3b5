// What a command takes from around it: `.env`, a missing agent folder, npm that goes away.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageSource } from '../../src/cli/package-source.ts';
import { emptyFolder, LAUNCHER, plainEnvironment, run, start } from './fixture.ts';

async function findings(cwd: string, env: Record<string, string> = {}) {
  const { out } = await run(['doctor', '--json'], { cwd, env: { PORT: '0', ...env } });
  return JSON.parse(out).findings as { name: string; status: string; found: string; mend?: string }[];
}

test('.env counts, and the environment wins over it', async () => {
  const cwd = await emptyFolder();
  await writeFile(join(cwd, '.env'), '# mine\nPORT=99999\nHYBRID_SESSIONS_DIR="kept here"\n');
  const wrong = await run(['start'], { cwd });
  expect([wrong.code, wrong.err]).toEqual([3, expect.stringContaining('PORT must be a whole number')]);
  const [data] = (await findings(cwd)).filter(({ name }) => name === 'data folder');
  expect(data?.found).toContain(join(cwd, 'kept here'));
  // Commands that look at the data look where the server keeps it.
  const { err } = await run(['sessions', 'list'], { cwd, env: { PORT: '0' } });
  expect(err).not.toContain('There is no data folder');
});

test('a .env that cannot be read is told', async () => {
  const cwd = await emptyFolder();
  await mkdir(join(cwd, '.env'));
  const { err } = await run(['sessions', 'list'], { cwd });
  expect(err).toMatch(/^warning: .*\.env cannot be read \(E\w+\)/);
});

test('without ./agent the example is run, and that it may run commands is said', async () => {
  const cwd = await emptyFolder();
  const [agent] = (await findings(cwd)).filter(({ name }) => name === 'agent folder');
  expect(agent).toMatchObject({
    status: 'warn',
    found: expect.stringMatching(/^the example, which may run commands \(there is no \.\/agent here\)/),
    mend: expect.stringContaining('init'),
  });
  const { child, said } = await started(start(['start'], { cwd, env: { PORT: '0' } }));
  child.kill('SIGTERM');
  expect(said).toMatch(/agent +the example, which may run commands\n +there is no \.\/agent here/);
});

test.runIf(process.platform !== 'win32')(
  'the server ends with the npm that started it',
  async () => {
    const cwd = await emptyFolder();
    // As npm does: a shell around the command. `true` keeps the shell from becoming the command.
    const line = `"${process.execPath}" "${LAUNCHER}" start; true`;
    const env = { ...plainEnvironment(cwd, { PORT: '0' }), npm_command: 'exec' };
    const { child, url } = await started(spawn('/bin/sh', ['-c', line], { cwd, env }));
    child.kill('SIGTERM');
    const answers = () =>
      fetch(`${url}/healthz`).then(
        () => true,
        () => false,
      );
    await expect.poll(answers).toBe(false);
  },
  90_000,
);

/** Waits for the address; the command goes on. */
async function started(child: ChildProcess): Promise<{ child: ChildProcess; url: string; said: string }> {
  let said = '';
  return await new Promise((resolve, reject) => {
    child.stderr?.on('data', (piece) => {
      said += piece;
    });
    child.stdout?.on('data', (piece) => {
      said += piece;
      const url = /https?:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
      if (url && said.includes('Ctrl-C')) resolve({ child, url, said });
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
}

test.each([
  ['a packed file', 'file:../packed.tgz', 'file:../../packed.tgz'],
  ['a repository', 'git+https://git.example/x.git#abc', 'git+https://git.example/x.git#abc'],
  ['a registry', 'https://registry.example/x.tgz', '^1.2.3'],
  ['nothing said', undefined, '^1.2.3'],
])('init names what the package was installed from: %s', async (_name, resolved, expected) => {
  const base = await emptyFolder();
  const installed = join(base, 'app', 'node_modules');
  await mkdir(installed, { recursive: true });
  await writeFile(
    join(installed, '.package-lock.json'),
    JSON.stringify({ packages: { 'node_modules/pkg': { resolved } } }),
  );
  const packageRoot = join(installed, 'pkg');
  const project = join(base, 'app', 'mine');
  expect(packageSource({ packageRoot, name: 'pkg', version: '1.2.3', project })).toBe(expected);
});
