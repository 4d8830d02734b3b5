// `hybrid-sessions vault` as an owner uses it: values come in by standard input, and never out.
import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { tenantId } from '../../src/core/ids.ts';
import { person } from '../../src/core/vault.ts';
import { readConfiguration } from '../../src/local/configuration.ts';
import { openStores } from '../../src/local/stores.ts';
import { emptyFolder, run } from './fixture.ts';

const CANARY = 'canary-0123456789abcdef';

async function stored(cwd: string, tenant = DEFAULT_TENANT) {
  const stores = await openStores(readConfiguration({ env: {}, cwd }), { create: false });
  try {
    const entries = await stores.vault.list(tenant);
    return await Promise.all(
      entries.map(async (entry) => [entry.person, entry.name, await stores.vault.get(entry)]),
    );
  } finally {
    await stores.close();
  }
}

test('set, list, remove: for the owner and for one person, with the end of the line taken off', async () => {
  const cwd = await emptyFolder();
  const printed: string[] = [];
  const vault = async (args: string[], input = '') => {
    const ran = await run(['vault', ...args], { cwd, input });
    printed.push(ran.out, ran.err);
    return ran;
  };
  expect((await vault(['set', 'github'], `${CANARY}\n`)).code).toBe(0);
  expect((await vault(['set', 'github', '--person', 'telegram/7'], `${CANARY}-ann`)).code).toBe(0);
  expect(await stored(cwd)).toEqual([
    [null, 'github', CANARY],
    [person('telegram/7'), 'github', `${CANARY}-ann`],
  ]);
  const { out } = await vault(['list', '--json']);
  expect(JSON.parse(out).credentials).toMatchObject([
    { name: 'github', person: null },
    { name: 'github', person: 'telegram/7' },
  ]);
  // Nobody to ask here.
  expect((await vault(['remove', 'github'])).code).toBe(2);
  expect((await vault(['remove', 'github', '--yes'])).code).toBe(0);
  expect(await stored(cwd)).toEqual([[person('telegram/7'), 'github', `${CANARY}-ann`]]);
  expect((await vault(['remove', '--person', 'telegram/7', '--yes'])).code).toBe(0);
  expect(await stored(cwd)).toEqual([]);
  expect((await vault(['remove', 'github', '--yes'])).code).toBe(4);
  expect(printed.join('')).not.toContain('canary');
});

test.each([
  ['no value', ['set', 'github'], '\n', /one line/],
  ['two lines', ['set', 'github'], 'a\nb\n', /one line/],
  ['blanks around it', ['set', 'github'], ' a', /blanks/],
  ['a name with a slash', ['set', 'oauth/github'], CANARY, /letters, digits/],
  ['a person without a channel', ['set', 'github', '--person', '7'], CANARY, /CHANNEL\/ID/],
  ['a tenant that is none', ['set', 'github', '--tenant', 'nobody'], CANARY, /no tenant "nobody"/],
  ['nothing to remove', ['remove', '--yes'], '', /vault list/],
])('%s is refused in words, and nothing is stored', async (_what, args, input, words) => {
  const cwd = await emptyFolder();
  const { code, err } = await run(['vault', ...args], { cwd, input });
  expect(code).not.toBe(0);
  expect(err).toMatch(words);
  expect(err).not.toContain('canary');
  expect(await readdir(cwd, { recursive: true })).not.toContain('.hybrid-sessions/vault');
});

test('erasing a tenant takes its credentials, counts them, and leaves those of others', async () => {
  const cwd = await emptyFolder();
  const command = async (args: string[], input = '') => {
    const ran = await run(args, { cwd, input });
    expect([ran.code, ran.err]).toEqual([0, expect.any(String)]);
    return ran.out;
  };
  await command(['tenants', 'add', 'acme']);
  await command(['vault', 'set', 'github', '--tenant', 'acme'], CANARY);
  await command(['vault', 'set', 'github'], CANARY);
  await command(['tenants', 'export', 'acme', 'exported']);
  const erased = JSON.parse(await command(['tenants', 'erase', 'acme', '--yes', '--json']));
  expect([erased.held.credentials, erased.left.credentials]).toEqual([1, 0]);
  expect(await stored(cwd, tenantId('acme'))).toEqual([]);
  expect(await stored(cwd)).toHaveLength(1);
});
