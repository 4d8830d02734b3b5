// The vault of encrypted files under the contract of its port, and what is special about files.
import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Corrupt } from '../../src/core/errors.ts';
import { tenantId } from '../../src/core/ids.ts';
import { person } from '../../src/core/vault.ts';
import { openVault } from '../../src/local/vault.ts';
import { createFileVault } from '../../src/stores/filesystem/vault.ts';
import { vaultContract } from '../../testing/contracts/vault.ts';

vaultContract({
  name: 'files',
  async create() {
    const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-vault-'));
    const open = () => openVault(folder, null);
    return { vault: open(), reopen: open, close: () => rm(folder, { recursive: true, force: true }) };
  },
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-vault-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const ENTRY = { tenant: tenantId('acme'), person: person('telegram/7654321'), name: 'github' };
const CANARY = 'canary-0123456789';

async function filesBelow(root: string): Promise<string[]> {
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  return found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
}

test('neither value, name, person nor tenant can be read off the disk, and files are for their owner alone', async () => {
  await openVault(folder, null).set(ENTRY, CANARY);
  const files = await filesBelow(folder);
  expect(files).toHaveLength(2);
  for (const file of files) {
    const text = file + (await readFile(file, 'latin1'));
    for (const word of [CANARY, 'github', '7654321', 'acme']) expect(text).not.toContain(word);
    if (process.platform !== 'win32') expect((await stat(file)).mode & 0o777).toBe(0o600);
  }
});

test('reading makes neither folder nor key', async () => {
  const vault = openVault(folder, null);
  expect([await vault.get(ENTRY), await vault.list(ENTRY.tenant), await vault.remove(ENTRY)]).toEqual([
    null,
    [],
    false,
  ]);
  expect(await readdir(folder)).toEqual([]);
});

test('a key of the environment leaves none on the disk, and another one opens nothing', async () => {
  const [key, wrong] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
  await openVault(folder, key).set(ENTRY, CANARY);
  expect(await readdir(folder)).toEqual(['vault']);
  expect(await openVault(folder, key).get(ENTRY)).toBe(CANARY);
  expect(await openVault(folder, wrong).get(ENTRY)).toBeNull();
  expect(await openVault(folder, wrong).list(ENTRY.tenant)).toEqual([]);
});

test('without its key nothing is read, and nothing new is written under another one', async () => {
  const vault = openVault(folder, null);
  await vault.set(ENTRY, CANARY);
  await rm(join(folder, 'vault-key'));
  for (const use of [
    () => vault.get(ENTRY),
    () => vault.set(ENTRY, 'other'),
    () => vault.list(ENTRY.tenant),
  ]) {
    const error = await use().catch((caught) => caught);
    expect(error).toBeInstanceOf(Corrupt);
    expect(error.advice).toMatch(/HYBRID_SESSIONS_VAULT_KEY/);
  }
});

test('a changed file, and one in the place of another, are told and not used', async () => {
  const vault = openVault(folder, null);
  const other = { ...ENTRY, name: 'other' };
  await vault.set(ENTRY, CANARY);
  const [first = ''] = await filesBelow(join(folder, 'vault'));
  await vault.set(other, 'another');
  const second = (await filesBelow(join(folder, 'vault'))).find((file) => file !== first) ?? '';
  await copyFile(first, second);
  expect(await vault.get(other).catch((caught) => caught)).toMatchObject({ code: 'credential-unreadable' });
  const bytes = await readFile(first);
  for (const at of [0, 5, 20, bytes.length - 1]) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(first, changed);
    const error = await vault.get(ENTRY).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'credential-unreadable' });
    expect(String(error.message)).not.toContain(CANARY);
  }
  await writeFile(first, bytes);
  expect(await vault.get(ENTRY)).toBe(CANARY);
});

test('what a write that was cut off left is nobody’s entry', async () => {
  const key = randomBytes(32);
  const root = join(folder, 'vault');
  const vault = createFileVault({ root, key: { read: async () => key, make: async () => key } });
  await vault.set(ENTRY, CANARY);
  await writeFile(join(root, 'drafts', 'left'), 'half');
  expect(await vault.list(ENTRY.tenant)).toHaveLength(1);
});
