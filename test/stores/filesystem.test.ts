// The file system object store: under the contract of its port, and what is particular to files.
import { mkdirSync, openSync, readdirSync, renameSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Gone, Refused } from '../../src/core/errors.ts';
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import { promise } from '../../src/core/promises.ts';
import { translateFileError } from '../../src/stores/filesystem/errors.ts';
import { createFilesystemObjectStore } from '../../src/stores/filesystem/object-store.ts';
import { failure } from '../../testing/contracts/contract.ts';
import { objectStoreContract } from '../../testing/contracts/object-store.ts';
import { temporaryFolder } from './temporary-folder.ts';

objectStoreContract({
  name: 'filesystem',
  async create() {
    const folder = temporaryFolder();
    const open = () => createFilesystemObjectStore({ root: join(folder.path, 'objects') });
    return { store: open(), reopen: async () => open(), close: async () => folder.remove() };
  },
  async createBroken() {
    const folder = temporaryFolder();
    const root = join(folder.path, 'objects');
    const store = createFilesystemObjectStore({ root });
    renameSync(root, join(folder.path, 'elsewhere'));
    mkdirSync(root);
    return { store, close: async () => folder.remove() };
  },
});

function folderForTest(): string {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  return folder.path;
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

const bytes = (text: string) => new TextEncoder().encode(text);

test('what a crashed writer left aside is never listed, and is swept once it is old', async () => {
  const root = folderForTest();
  createFilesystemObjectStore({ root });
  const [young, old] = ['young', 'old'].map((name) => join(root, '.tmp', name));
  for (const path of [young!, old!]) writeFileSync(path, 'half');
  const yesterday = Date.now() / 1_000 - 86_400;
  utimesSync(old!, yesterday, yesterday);
  const store = createFilesystemObjectStore({ root });
  expect(readdirSync(join(root, '.tmp'))).toEqual(['young']);
  expect(await keysOf(store)).toEqual([]);
});

test('a put leaves nothing aside, whether it created, came late or failed', async () => {
  const root = folderForTest();
  const store = createFilesystemObjectStore({ root });
  await store.put('a/b', bytes('1'));
  await store.put('a/b', bytes('2'));
  await failure(store.put('a/c', { file: join(root, 'none'), bytes: 3 }));
  expect(readdirSync(join(root, '.tmp'))).toEqual([]);
});

test('files that are not ours are left alone and not listed', async () => {
  const root = folderForTest();
  const store = createFilesystemObjectStore({ root });
  await store.put('a/b', bytes('1'));
  for (const name of ['a/README', 'a/B.obj', 'a/%zz.obj', '.DS_Store', 'a/.obj'])
    writeFileSync(join(root, name), '');
  expect(await keysOf(store)).toEqual(['a/b']);
  await store.delete(['a/b']);
  expect(readdirSync(join(root, 'a')).sort()).toEqual(['%zz.obj', '.obj', 'B.obj', 'README']);
});

test('folders go with their last object', async () => {
  const root = folderForTest();
  const store = createFilesystemObjectStore({ root });
  await store.put('t/s1/p1', bytes('1'));
  await store.put('t/s2/p1', bytes('2'));
  await store.delete(['t/s1/p1']);
  expect(readdirSync(join(root, 't'))).toEqual(['s2']);
  await store.delete(['t/s2/p1']);
  expect(readdirSync(root).filter((name) => !name.startsWith('.'))).toEqual([]);
});

test('a listing made while other folders vanish misses nothing that stays', async () => {
  const store = createFilesystemObjectStore({ root: folderForTest() });
  const staying = Array.from({ length: 20 }, (_, i) => `t/keep${i}/p`);
  const going = Array.from({ length: 20 }, (_, i) => `t/go${i}/p`);
  for (const key of [...staying, ...going]) await store.put(key, bytes(key));
  const [listed] = await Promise.all([keysOf(store), store.delete(going)]);
  expect(listed).toEqual(expect.arrayContaining(staying));
});

test('puts go on while others delete the last object of the same folder', async () => {
  const store = createFilesystemObjectStore({ root: folderForTest() });
  const round = async (i: number) => {
    expect(await store.put(`t/s/${i}`, bytes(`${i}`))).toBe('created');
    await store.delete([`t/s/${i}`]);
  };
  await Promise.all(Array.from({ length: 60 }, (_, i) => round(i)));
  expect(await keysOf(store)).toEqual([]);
});

test(`${promise('NO-AMNESIA')} objects whose disk is gone are not "absent"`, async () => {
  const root = folderForTest();
  const store = createFilesystemObjectStore({ root: join(root, 'objects') });
  await store.put('k', bytes('kept'));
  renameSync(join(root, 'objects'), join(root, 'unmounted'));
  const error = await failure(store.get('k'));
  expect(error).not.toBeInstanceOf(Gone);
  expect(error).toMatchObject({ code: 'store-unreachable', advice: expect.stringContaining('mounted') });
  renameSync(join(root, 'unmounted'), join(root, 'objects'));
  expect(new TextDecoder().decode(await store.get('k'))).toBe('kept');
});

test('a folder that cannot be used is refused with advice', () => {
  const file = join(folderForTest(), 'file');
  writeFileSync(file, '');
  expect(() => createFilesystemObjectStore({ root: join(file, 'objects') })).toThrow(Refused);
});

test.skipIf(process.platform !== 'linux')('a full disk is told as such', () => {
  const full = openSync('/dev/full', 'w');
  let thrown: unknown;
  try {
    writeSync(full, 'x');
  } catch (error) {
    thrown = error;
  }
  expect(translateFileError(thrown)).toMatchObject({
    code: 'disk-full',
    advice: expect.stringContaining('space'),
  });
});
