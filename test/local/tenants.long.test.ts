// Two tenants with a bot each in one running system, against the fake Bot API: whose messages, whose memory, who gets in,
// secrets that change under way, switching off.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Tenant, tenantId } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { type TenantName, tenantSettingsSchema } from '../../src/core/tenants.ts';
import {
  createSqliteSessionStore,
  createSqliteTenantRegistry,
  openDatabase,
} from '../../src/stores/sqlite/index.ts';
import { DIRECTORY_MS } from '../../src/tenants/directory.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { type FakeTelegram, startFakeTelegram } from '../../testing/telegram/fake-telegram.ts';

const [ACME, BETA] = ['7001:secret-of-acme', '7002:secret-of-beta'];
const NEW_ACME = '7001:new-secret-of-acme';
const [ANN, BOB, STRANGER, GROUP] = [1001, 1002, 2002, -5005];
const PATIENT = { interval: 100 };
/** As long as a record is remembered, and a little. */
const KNOWN_MS = DIRECTORY_MS + 1_000;

let telegram: FakeTelegram;
let acme: ReturnType<FakeTelegram['addBot']>;
let beta: ReturnType<FakeTelegram['addBot']>;
let cwd: string;
let system: TestSystem;
let database: ReturnType<typeof openDatabase>;

beforeAll(async () => {
  telegram = await startFakeTelegram();
  acme = telegram.addBot({ token: ACME });
  beta = telegram.addBot({ token: BETA });
  cwd = await mkdtemp(join(tmpdir(), 'hybrid-sessions-tenants-'));
  await writeFile(join(cwd, 'beta-token'), `${BETA}\n`);
  const env = { TELEGRAM_API_ROOT: telegram.apiRoot, ACME_TOKEN: ACME, ACME_NEW: NEW_ACME };
  system = await startLocalSystem({ cwd, env });
  database = openDatabase(join(system.dataDir, 'sessions.db'));
  const registry = createSqliteTenantRegistry({ database });
  // While it runs: a restart is not needed.
  await registry.add(
    'acme' as TenantName,
    settings('7001', ['env:ACME_TOKEN'], { users: [String(ANN)] }),
    'test',
  );
  const open = { users: [String(ANN)], groups: [String(GROUP)] };
  await registry.add(
    'beta' as TenantName,
    settings('7002', [`file:${join(cwd, 'beta-token')}`], open),
    'test',
  );
});
afterAll(async () => {
  database?.close();
  await system?.close();
  await telegram.close();
  await rm(cwd, { recursive: true, force: true });
});

function settings(bot: string, token: string[], access: object) {
  return tenantSettingsSchema.parse({
    bots: [{ channel: 'telegram', bot, secrets: { token } }],
    access: { telegram: access },
  });
}

async function change(
  name: string,
  made: Parameters<ReturnType<typeof createSqliteTenantRegistry>['set']>[1],
) {
  const registry = createSqliteTenantRegistry({ database });
  const record = await registry.get(tenantId(name));
  await registry.set(tenantId(name), made, record?.version ?? 0, 'test');
}

const said = (bot: typeof acme, chat: number) => bot.chat(chat).botTexts.join('\n');

test(`${promise('TENANT')} each bot answers for its own tenant, and one person has a memory with each`, async () => {
  acme.say(ANN, 'remember the word heron');
  beta.say(ANN, 'remember the word walrus');
  acme.say(STRANGER, 'let me in');
  acme.say(BOB, 'me too');
  await expect.poll(() => said(acme, ANN), PATIENT).not.toBe('');
  await expect.poll(() => said(beta, ANN), PATIENT).not.toBe('');
  acme.say(ANN, 'what do you remember?');
  await expect.poll(() => said(acme, ANN), PATIENT).toContain('heron');
  expect(said(acme, ANN)).not.toContain('walrus');
  expect(said(beta, ANN)).not.toContain('heron');
  expect(said(acme, STRANGER) + said(acme, BOB)).toBe('');
  const store = createSqliteSessionStore({ database });
  for (const [name, bot] of [
    ['acme', '7001'],
    ['beta', '7002'],
  ]) {
    const { items } = await store.listMappings(name as Tenant);
    expect(items.map((mapping) => mapping.session_key)).toEqual([`${name}/telegram/${bot}/${ANN}/-`]);
  }
  expect((await store.listMappings('default' as Tenant)).items).toEqual([]);
});

test('in a group that is listed everybody may write, in another nobody but those who are listed', async () => {
  // In groups a bot hears what names it.
  for (const bot of [beta, acme]) bot.say(GROUP, `@${bot.username} hello from the group`, { from: BOB });
  await expect.poll(() => said(beta, GROUP), PATIENT).not.toBe('');
  expect(said(acme, GROUP)).toBe('');
});

test('a change of a tenant holds within seconds: a token, of which the one is used that the platform takes; switched off and on', async () => {
  // The new one is not valid yet: the platform refuses it.
  await change('acme', {
    settings: settings('7001', ['env:ACME_NEW', 'env:ACME_TOKEN'], { users: [String(ANN)] }),
  });
  await change('beta', { status: 'disabled' });
  await new Promise((resolve) => setTimeout(resolve, KNOWN_MS));
  acme.say(ANN, 'run: echo old-$((1 + 1))');
  beta.say(ANN, 'anybody there?');
  await expect.poll(() => said(acme, ANN), PATIENT).toContain('old-2');
  // Whoever writes to a tenant that is switched off is told so.
  await expect.poll(() => said(beta, ANN), PATIENT).toMatch(/switched off/);
  await change('beta', { status: 'active' });
  // Now the platform takes the new one only.
  telegram.renewToken(ACME, NEW_ACME);
  acme.say(ANN, 'run: echo new-$((1 + 2))');
  await expect.poll(() => said(acme, ANN), PATIENT).toContain('new-3');
  // And nothing is lost.
  await new Promise((resolve) => setTimeout(resolve, KNOWN_MS));
  beta.say(ANN, 'what do you remember?');
  await expect.poll(() => said(beta, ANN), PATIENT).toContain('walrus');
});
