// The data folder's own key: made once however many start, for its owner alone, and named in words when it is not right.
import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Invalid } from '../../src/core/errors.ts';
import { accessKeyFile, openAccessKey, readAccessKey } from '../../src/local/access-key.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-key-'));
  file = accessKeyFile(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('it is made once, long and at random, for its owner alone, and nothing is left beside it', async () => {
  expect(await readAccessKey(folder)).toBeNull();
  const key = await openAccessKey(folder);
  expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(await openAccessKey(folder)).toBe(key);
  expect(await readAccessKey(folder)).toBe(key);
  if (process.platform !== 'win32') expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(folder)).toEqual(['access-key']);
  await rm(file);
  expect(await openAccessKey(folder)).not.toBe(key);
});

test('many starts at once, in one process and in several, end with one key', async () => {
  const module = fileURLToPath(new URL('../../src/local/access-key.ts', import.meta.url));
  const program = `
    const { openAccessKey } = await import(${JSON.stringify(module)});
    process.stdout.write('ready');
    for await (const _ of process.stdin);
    const keys = await Promise.all([1, 2, 3].map(() => openAccessKey(${JSON.stringify(folder)})));
    process.stdout.write(' ' + keys.join(' '));`;
  const starts = Array.from({ length: 3 }, () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let text = '';
    const ready = Promise.withResolvers<void>();
    child.stdout.on('data', (piece) => {
      text += piece;
      ready.resolve();
    });
    const ended = new Promise<string>((done) => child.once('close', () => done(text)));
    return { child, ready: ready.promise, ended };
  });
  await Promise.all(starts.map(({ ready }) => ready));
  for (const { child } of starts) child.stdin.end();
  const said = await Promise.all(starts.map(({ ended }) => ended));
  const keys = said.flatMap((text) => text.split(' ').slice(1));
  expect(keys).toHaveLength(9);
  expect(new Set(keys)).toEqual(new Set([(await readFile(file, 'utf8')).trim()]));
  expect(await readdir(folder)).toEqual(['access-key']);
});

test.each([
  ['empty', ''],
  ['something else', 'hello\n'],
  ['half a key', 'k'.repeat(20)],
  ['two keys', `${'k'.repeat(43)}\n${'j'.repeat(43)}\n`],
  ['bytes', '\u0000'.repeat(43)],
])('a file that holds %s is told, and stays as it is', async (_name, text) => {
  await writeFile(file, text, { mode: 0o600 });
  for (const use of [openAccessKey, readAccessKey]) {
    const error = await use(folder).catch((caught) => caught);
    expect(error).toBeInstanceOf(Invalid);
    expect(error.message).toBe(`The key file ${file} holds no key.`);
    expect(error.advice).toMatch(/Delete it/);
  }
  expect(await readFile(file, 'utf8')).toBe(text);
});

test.runIf(process.platform !== 'win32').each([0o644, 0o640, 0o604, 0o666])(
  'a file that others may read or write is not used (%i)',
  async (mode) => {
    await openAccessKey(folder);
    await chmod(file, mode);
    const error = await openAccessKey(folder).catch((caught) => caught);
    expect(error).toBeInstanceOf(Invalid);
    expect(error.message).toContain(`mode ${mode.toString(8)}`);
    expect(error.advice).toMatch(/Delete it.*chmod 600/);
    await chmod(file, 0o600);
    expect(await openAccessKey(folder)).toMatch(/^[\w-]{43}$/);
  },
);

test('what cannot be read is told: a folder in its place, a link to nowhere', async () => {
  await mkdir(file);
  await expect(openAccessKey(folder)).rejects.toThrow('cannot be read (EISDIR)');
  await rm(file, { recursive: true });
  await symlink(join(folder, 'nowhere'), file);
  await expect(openAccessKey(folder)).rejects.toThrow(Invalid);
});
