import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Log } from '../../src/core/log.ts';
import { openCompileCache } from '../../src/local/compile-cache.ts';

let dataDir: string;
let program: string;
let said: string[];
const log: Log = (_level, event) => void said.push(event);

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hybrid-compiled-'));
  program = join(dataDir, 'host.mjs');
  said = [];
});
afterEach(() => rm(dataDir, { recursive: true }));

/** Counts its runs, and loads another file, whose name changes with each version as those of bundles do. */
async function writeProgram(version: number, end = ''): Promise<void> {
  const part = `${'// A line of a program that is worth keeping.\n'.repeat(50)}export const value = 1;`;
  await writeFile(join(dataDir, `part-${version}.mjs`), part);
  await writeFile(
    program,
    `import { value } from './part-${version}.mjs'; import { appendFileSync } from 'node:fs';
appendFileSync(${JSON.stringify(join(dataDir, 'runs'))}, String(value)); // ${version}\n${end}`,
  );
}
const runs = async (): Promise<number> =>
  (await readFile(join(dataDir, 'runs'), 'utf8').catch(() => '')).length;
const kept = async (): Promise<string[]> => {
  const [tag] = (await readdir(join(dataDir, 'compiled'))).filter((name) => name.startsWith('v'));
  return await readdir(join(dataDir, 'compiled', tag ?? ''));
};

test('the program is run once, and its code kept for those to come', async () => {
  await writeProgram(1);
  const cache = await openCompileCache({ dataDir, program, log });
  await Promise.all([cache.fill(), cache.fill()]);
  expect(await runs()).toBe(1);
  expect(await kept()).toHaveLength(2);

  await (await openCompileCache({ dataDir, program, log })).fill();
  expect(await runs()).toBe(1);
});

test('of a program that has changed nothing old is left', async () => {
  await writeProgram(1);
  await (await openCompileCache({ dataDir, program, log })).fill();
  await writeProgram(22);
  const cache = await openCompileCache({ dataDir, program, log });
  await cache.fill();
  expect(await runs()).toBe(2);
  expect(await kept()).toHaveLength(2);
});

test('a program that fails is run again at the next start', async () => {
  await writeProgram(1, 'process.exit(1);');
  for (const expected of [1, 2]) {
    const cache = await openCompileCache({ dataDir, program, log });
    await cache.fill();
    expect(await runs()).toBe(expected);
  }
});

test('a folder that cannot be written costs the cache, and nothing else', async () => {
  await writeProgram(1);
  const cache = await openCompileCache({ dataDir: program, program, log });
  await cache.fill();
  expect(said).toEqual(['compile-cache-not-filled']);
});

test('closing ends what fills it', async () => {
  await writeProgram(1, 'setInterval(() => {}, 1_000);');
  const cache = await openCompileCache({ dataDir, program, log });
  const filling = cache.fill();
  await expect.poll(runs).toBe(1);
  await cache.close();
  await filling;
  expect(await readdir(join(dataDir, 'compiled'))).not.toContain('filled-for');
});
