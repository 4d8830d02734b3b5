import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { removeTree } from '../../src/agent/remove-tree.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hybrid-remove-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function makeTree(name: string): Promise<string> {
  const top = join(root, name);
  for (let folder = 0; folder < 20; folder++)
    for (const below of ['a', 'b/c', 'd/e/f']) {
      const path = join(top, String(folder), below);
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'file'), 'x');
    }
  return top;
}
const isGone = async (path: string) => (await stat(path).catch(() => null)) === null;

test('a tree that several remove at once is gone, and nobody is told that it was gone already', async () => {
  for (let round = 0; round < 8; round++) {
    const tree = await makeTree(`shared-${round}`);
    await Promise.all(Array.from({ length: 40 }, () => removeTree(tree)));
    expect(await isGone(tree)).toBe(true);
  }
});

test('folders without rights are removed; what is not there is no error', async () => {
  const tree = await makeTree('closed');
  await chmod(join(tree, '3/b'), 0o000);
  await chmod(join(tree, '4'), 0o500);
  await removeTree(tree);
  expect(await isGone(tree)).toBe(true);
  await removeTree(tree);
});

test('what is written into it while it is removed goes, too', async () => {
  for (let round = 0; round < 5; round++) {
    const tree = await makeTree(`written-${round}`);
    let isOver = false;
    const writing = (async () => {
      for (let number = 0; number < 300; number++) {
        const path = join(tree, String(number % 20), 'a', `late-${number}`);
        await mkdir(path).catch(() => {});
        await writeFile(join(path, 'file'), 'x').catch(() => {});
      }
      isOver = true;
    })();
    await removeTree(tree);
    await writing;
    expect(isOver && (await isGone(tree))).toBe(true);
  }
});
