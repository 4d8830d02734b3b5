// Our files among the agent's: whatever the agent puts in their place, they are written, and nothing outside is.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeOwnFile } from '../../src/agent/write-own-file.ts';

let base: string;
let outside: string;
let config: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'hybrid-own-file-'));
  outside = join(base, 'outside');
  config = join(base, 'config');
  await mkdir(join(config, '.hybrid'), { recursive: true });
  await mkdir(outside);
  await writeFile(join(outside, 'victim'), 'precious');
});
afterEach(() => rm(base, { recursive: true, force: true }));

const at = (name: string) => join(config, '.hybrid', name);

test.each<[string, () => Promise<unknown>]>([
  ['nothing', async () => {}],
  ['the file itself', () => writeFile(at('note.json'), 'old')],
  ['a link in its place', () => symlink(join(outside, 'victim'), at('note.json'))],
  ['a link to nowhere', () => symlink('/nowhere/at/all', at('note.json'))],
  ['a folder in its place', () => mkdir(at('note.json/deep'), { recursive: true })],
  ['a link in the place of the draft', () => symlink(join(outside, 'victim'), at('note.json.new'))],
  ['a link to nowhere as the draft', () => symlink('/nowhere/at/all', at('note.json.new'))],
  ['a folder as the draft', () => mkdir(at('note.json.new/deep'), { recursive: true })],
  [
    'a link in the place of the folder',
    async () => {
      await rm(join(config, '.hybrid'), { recursive: true });
      await symlink(outside, join(config, '.hybrid'));
    },
  ],
  [
    'a file in the place of the folder',
    async () => {
      await rm(join(config, '.hybrid'), { recursive: true });
      await writeFile(join(config, '.hybrid'), 'a file');
    },
  ],
  ['no folder', () => rm(join(config, '.hybrid'), { recursive: true })],
])('over %s', async (_name, plant) => {
  await plant();
  await writeOwnFile(at('note.json'), 'ours');
  expect(await readFile(at('note.json'), 'utf8')).toBe('ours');
  expect(await readdir(outside)).toEqual(['victim']);
  expect(await readFile(join(outside, 'victim'), 'utf8')).toBe('precious');
  expect(await readdir(join(config, '.hybrid'))).toEqual(['note.json']);
});
