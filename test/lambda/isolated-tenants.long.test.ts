// Several tenants whose agents are isolated: the built functions under the roles of the synthesized template, which the
// stand-ins enforce. What the worker has is one tenant's; what a host has is a few URLs that were signed with that.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { systemClock } from '../../src/core/clock.ts';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { sessionKeyOf, tenantId } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import type { SessionStore, TenantRegistry, TurnQueue } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { isCommitted } from '../../src/core/records.ts';
import { type TenantName, type TenantSettings, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { createDynamoTenantRegistry } from '../../src/stores/dynamodb/tenant-registry.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { createS3Presigner } from '../../src/stores/s3/presigner.ts';
import { withNewKey } from '../../src/tenants/api-keys.ts';
import { DIRECTORY_MS } from '../../src/tenants/directory.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { isAllowed } from '../../testing/aws/iam/evaluate.ts';
import type { Installation } from '../../testing/lambda/installation.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { rolesOf } from '../aws/template-policies.ts';
import { FULL, synthesize } from '../cdk/synthesize.ts';
import { until } from '../waiting.ts';
import { startBuiltInstallation } from './built-installation.ts';

const [ACME, GLOBEX] = [tenantId('acme'), tenantId('globex')];
const folder = mkdtempSync(join(tmpdir(), 'hybrid-tenants-'));
const model: ScriptedModel = await createScriptedModel(answerAsDemo);
const roles = rolesOf(synthesize({ ...FULL, agents: 'isolated', tenants: { parameterPrefix: '/my-bots' } }));
let output = '';

mkdirSync(join(folder, 'support'), { recursive: true });
writeFileSync(join(folder, 'support/system_prompt.md'), 'You are the support agent of globex.');

const started = await startBuiltInstallation({
  folder,
  tenantFolders: { support: join(folder, 'support') },
  tenantModels: ['claude-fable-5'],
  agents: 'isolated',
  modelUrl: model.url,
  roles,
  onOutput: (text) => {
    output += text;
  },
});
const unavailable = 'unavailable' in started ? started.unavailable : null;
const installation = started as Installation;
let store: SessionStore;
let queue: TurnQueue;
let tenants: TenantRegistry;

beforeAll(async () => {
  if (unavailable) return console.warn(`Skipped: ${unavailable}`);
  const client = installation.dynamo.client();
  const { tables, queueUrls, sqs } = installation;
  store = createDynamoSessionStore({ client, ...tables, clock: systemClock });
  tenants = createDynamoTenantRegistry({ client, stateTable: tables.stateTable, clock: systemClock });
  queue = createSqsTurnQueue({
    client: new SQSClient({ ...localAws, endpoint: sqs.endpoint }),
    queueUrl: queueUrls.turns,
    deadLetterQueueUrl: queueUrls.dead,
  });
  for (const name of ['acme', 'globex']) await add(name, {});
});
afterAll(async () => {
  if (!unavailable) await installation.close();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

const add = (name: string, settings: object): Promise<{ readonly settings: TenantSettings }> =>
  tenants.add(name as TenantName, tenantSettingsSchema.parse(settings), 'test');

const change = async (name: string, over: object): Promise<void> => {
  const { tenant, version, settings } = (await tenants.get(tenantId(name)))!;
  const changed = tenantSettingsSchema.parse({ ...settings, ...over });
  await tenants.set(tenant, { settings: changed }, version, 'test');
  // As long as a function may go by what it read before.
  await systemClock.sleep(DIRECTORY_MS + 500);
};

interface Asked {
  readonly model?: string;
  readonly system?: unknown;
}
const requestsAsked = () => model.requests.map(({ body }) => body as Asked | null);
const modelsAsked = () => requestsAsked().map((asked) => asked?.model);
const systemPrompts = () => requestsAsked().map((asked) => JSON.stringify(asked?.system ?? ''));

let said = 0;
const keyOf = (tenant: string, chat: string) =>
  sessionKeyOf({ tenant, channel: 'http', bot: 'local', chat, thread: null });

/** Says something in a tenant's chat and waits for the reply. */
async function say(tenant: string, chat: string, text: string): Promise<string> {
  onTestFailed(() => console.error(output.slice(-6_000)));
  const request = turnRequest({
    conversation: { tenant, channel: 'http', bot: 'local', chat, thread: null },
    dedupeId: `m${++said}`,
    text,
    receivedAtMs: Date.now(),
  });
  await acceptAndQueue({ store, queue, retentionSec: 86_400 }, request);
  const turn = await until(async () => {
    const found = await store.getTurn(tenantId(tenant), request.turnId);
    return found && isCommitted(found) ? found : null;
  }, 'the reply');
  return turn.reply?.text ?? '';
}

const keysBelow = (prefix: string) =>
  [...installation.s3.bucket('sessions').objects.keys()].filter((key) => key.startsWith(prefix));

describe.skipIf(unavailable)('tenants with isolated agents', () => {
  test(`${promise('TENANT')} each has its own files under its own prefix, and no call was refused to anybody`, async () => {
    expect(await say('acme', 'one', 'run: echo of-acme > note.txt; echo done-1')).toContain('done-1');
    expect(await say('globex', 'one', 'run: ls | wc -l; echo of-globex > note.txt')).toMatch(/\n0\n/);
    // Restored by a URL in a new environment.
    for (const { environment } of installation.agentHosts?.all ?? []) await environment.kill();
    expect(await say('acme', 'one', 'run: cat note.txt')).toContain('of-acme');
    expect(await say('default', 'one', 'run: ls; echo done-3')).toContain('done-3');
    for (const tenant of [ACME, GLOBEX, DEFAULT_TENANT]) expect(keysBelow(`${tenant}/`)).not.toEqual([]);
    const others = keysBelow('').filter((key) => !/^(acme|globex|default)\//.test(key));
    expect(others).toEqual([]);
    expect(installation.keyring?.refused).toEqual([]);
    const ids = new Set(installation.agentHosts?.all.map(({ tenantId: id }) => id));
    expect(ids.size).toBe(3);
  });

  test(`${promise('WHOLE')} an agent stays for the next message; each turn says so, and what it cost`, async () => {
    const words = ['one', 'two', 'three'];
    for (const word of words)
      expect(await say('acme', 'stays', `run: echo ${word} >> note.txt; cat note.txt`)).toContain(word);
    const timelines = await until(async () => {
      const { items } = await store.listTurns(keyOf('acme', 'stays'), { limit: 10 });
      const written = items.flatMap(({ timeline }) => timeline ?? []);
      return written.length === words.length ? written : null;
    }, 'the timelines');
    expect(timelines.map(({ host }) => host?.start)).toEqual(['new', 'hot', 'hot']);
    for (const { infraUsd } of timelines) {
      expect(infraUsd).toBeGreaterThan(0.00001);
      expect(infraUsd).toBeLessThan(0.1);
    }
    await until(() => /"HotStarts":1/.test(output), 'the metric');
  });

  test(`${promise('TENANT')} the keys that a tenant's URLs are signed with open no other tenant's packs`, async () => {
    const { keyring, s3 } = installation;
    const tags = { 'aws:PrincipalTag/tenant': ACME };
    const given = keyring!.session('acme, by the test', roles.tenant.statements, tags);
    const connection = { endpoint: s3.endpoint, region: localAws.region, forcePathStyle: true };
    const options = {
      ...connection,
      bucket: 'sessions',
      credentials: given as { sessionToken: string } & typeof given,
    };
    const presigner = createS3Presigner({ ...options, expiresInSec: 60 });
    const objects = createS3ObjectStore(options);
    const [mine = '', theirs = ''] = [keysBelow('acme/')[0], keysBelow('globex/')[0]];
    const get = async (key: string) => (await fetch(await presigner.read(key))).status;
    const put = async (key: string) =>
      (
        await fetch((await presigner.write(key)).url, {
          method: 'PUT',
          headers: { 'if-none-match': '*' },
          body: 'x',
        })
      ).status;
    expect([await get(mine), await get(theirs)]).toEqual([200, 403]);
    expect([await put(`${mine}2`), await put(`${theirs}2`), await put('planted')]).toEqual([200, 403, 403]);
    await expect(objects.get(theirs)).rejects.toThrow();
    for (const prefix of [`${GLOBEX}/`, '']) {
      await expect(objects.list(prefix)[Symbol.asyncIterator]().next()).rejects.toThrow();
    }
    await expect(objects.delete([theirs])).rejects.toThrow();
    expect(keysBelow('globex/')).toContain(theirs);
  });

  test("a tenant's own key encrypts what its turns write from then on, bound to the tenant, and is used to read it", async () => {
    const kmsKey = 'arn:aws:kms:eu-central-1:210987654321:key/of-acme';
    const before = new Set(keysBelow('acme/'));
    await change('acme', { kmsKey });
    expect(await say('acme', 'one', 'run: echo more >> note.txt; echo done-4')).toContain('done-4');
    const objects = installation.s3.bucket('sessions').objects;
    const made = keysBelow('acme/').filter((key) => !before.has(key));
    expect(made).not.toEqual([]);
    for (const key of made) {
      const about = objects.get(key)?.metadata ?? {};
      expect(about['x-amz-server-side-encryption']).toBe('aws:kms');
      expect(about['x-amz-server-side-encryption-aws-kms-key-id']).toBe(kmsKey);
      const context = about['x-amz-server-side-encryption-context'] ?? '';
      expect(JSON.parse(Buffer.from(context, 'base64').toString())).toEqual({ tenant: 'acme' });
    }
    for (const { environment } of installation.agentHosts?.all ?? []) await environment.kill();
    expect(await say('acme', 'one', 'run: cat note.txt')).toMatch(/of-acme\s+more/);
    // A host cannot leave the key out, and nobody else's role may use it for acme's objects.
    const kms = (verb: string, tenant: string) => ({
      action: `kms:${verb}`,
      resource: kmsKey,
      context: {
        'kms:EncryptionContext:tenant': [tenant],
        'kms:ViaService': ['s3.eu-central-1.amazonaws.com'],
      },
    });
    const as = (tenant: string) => ({ 'aws:PrincipalTag/tenant': tenant });
    for (const verb of ['GenerateDataKey', 'Decrypt']) {
      expect(isAllowed(roles.tenant.statements, kms(verb, ACME), as(ACME))).toBe(true);
      expect(isAllowed(roles.tenant.statements, kms(verb, ACME), as(GLOBEX))).toBe(false);
      const direct = { ...kms(verb, ACME), context: { 'kms:EncryptionContext:tenant': [ACME] } };
      expect(isAllowed(roles.tenant.statements, direct, as(ACME))).toBe(false);
      for (const role of ['worker', 'gateway', 'agent-host']) {
        expect(isAllowed(roles.of(role), kms(verb, ACME))).toBe(false);
      }
    }
    await change('acme', { kmsKey: null });
  });

  test('a tenant has the folder, the model, the tools and the budget that it was set to, and no more', async () => {
    await change('globex', { agentFolder: 'support' });
    expect(await say('globex', 'agent', 'who are you?')).toContain(' ');
    const supported = () =>
      systemPrompts().filter((text) => text.includes('You are the support agent of globex.'));
    const heard = supported().length;
    expect(heard).toBeGreaterThan(0);

    await say('acme', 'agent', 'who are you?');
    expect(supported()).toHaveLength(heard);

    await change('globex', { agentFolder: null, tools: { allow: null, deny: ['Bash'] } });
    expect(await say('globex', 'tools', 'run: echo ran-here')).not.toMatch(/^ran-here/m);
    await change('globex', { tools: { allow: ['Read'], deny: [] } });
    expect(await say('globex', 'tools', 'run: echo ran-here')).not.toMatch(/^ran-here/m);

    await change('globex', { tools: { allow: null, deny: [] }, model: 'claude-fable-5' });
    await say('globex', 'model', 'hello');
    expect(modelsAsked()).toContain('claude-fable-5');
    const probe = (model: string) =>
      `run: curl -s -m 20 -o /dev/null -w '%{http_code}' -H "x-api-key: $(tr '\\0' '\\n' < /proc/$PPID/environ | sed -n 's/^ANTHROPIC_API_KEY=//p')" -H 'content-type: application/json' -d '{"model":"${model}","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}' "$(tr '\\0' '\\n' < /proc/$PPID/environ | sed -n 's/^ANTHROPIC_BASE_URL=//p')/v1/messages"`;
    expect(await say('globex', 'model', probe('claude-fable-5'))).toMatch(/^200/m);
    expect(await say('globex', 'model', probe('claude-opus-5'))).toMatch(/^404/m);

    for (const settings of [
      { model: 'claude-most-expensive' },
      { model: null, agentFolder: 'nowhere' },
      { agentFolder: null, network: 'none' },
    ]) {
      await change('globex', settings);
      const asked = model.requests.length;
      expect(await say('globex', 'wrong', 'hello'), JSON.stringify(settings)).toMatch(
        /installation does not have/,
      );
      expect(model.requests.length).toBe(asked);
    }
    await change('globex', { network: null, limits: { budgetUsd: { turn: 0 } }, model: 'claude-fable-5' });
    expect(await say('globex', 'budget', 'hello')).toMatch(/used up/);
    await change('globex', { limits: { workspaceBytes: 1_000_000 }, model: null });
    expect(await say('globex', 'room', 'run: head -c 2000000 /dev/zero > large; echo made')).toMatch(
      /not kept/,
    );
    await change('globex', { limits: {} });
  });

  test('a key of a tenant opens the API for its chats alone', async () => {
    const record = (await tenants.get(ACME))!;
    const { settings, key } = withNewKey(record.name, record.settings, Date.now());
    await tenants.set(ACME, { settings }, record.version, 'test');
    const call = async (path: string, given: string, body?: object) =>
      await fetch(`${installation.apiUrl}${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { authorization: `Bearer ${given}`, 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    const { reply } = (await (
      await call('/v1/chats/by-key/messages', key, { text: 'run: echo by-key > by-key.txt; cat by-key.txt' })
    ).json()) as { reply: { text: string } };
    expect(reply.text).toContain('by-key');
    const chatsOf = async (given: string) => await (await call('/v1/chats', given)).text();
    expect(await chatsOf(key)).toContain('by-key');
    expect(await chatsOf(installation.apiKey)).not.toContain('by-key');
    expect((await call('/v1/chats', `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`)).status).toBe(401);
    const { items } = await store.listMappings(ACME);
    expect(items.map(({ chat_id }) => chat_id)).toContain('by-key');
    expect(installation.keyring?.refused.filter((line) => !line.includes('by the test'))).toEqual([]);
  });

  test('what each role can and cannot do', () => {
    const names = roles.names;
    const item = (verb: string, key: string) => ({
      action: `dynamodb:${verb}`,
      resource: names.table('state'),
      context: { 'dynamodb:LeadingKeys': [key] },
    });
    const object = (verb: string, key: string) => ({
      action: `s3:${verb}`,
      resource: `${names.bucket('')}/${key}`,
    });
    const invoke = { action: 'lambda:InvokeFunction', resource: names.functionArn('agent-host') };
    const requests = {
      'put a pack of acme': object('PutObject', 'acme/s/1.pack'),
      'read a pack of acme': object('GetObject', 'acme/s/1.pack'),
      'read a pack of globex': object('GetObject', 'globex/s/1.pack'),
      'read a pack of a tenant whose name goes on': object('GetObject', 'acme2/s/1.pack'),
      'post in a mailbox of acme': item('PutItem', 'acme#mailbox#x'),
      'post in a mailbox of globex': item('PutItem', 'globex#mailbox#x'),
      'hear a mailbox': item('Query', 'acme#mailbox#x'),
      'count usage': item('UpdateItem', 'acme#usage#tenant#'),
      'move a head of acme': item('UpdateItem', 'acme#session#s'),
      'read the registry': item('GetItem', '#tenants'),
      'change the registry': item('PutItem', '#tenants'),
      'read the audit log': item('Query', '#audit'),
      'read everything': { action: 'dynamodb:Scan', resource: names.table('state') },
      'start a host': invoke,
    };
    const allowedTo = (allows: (request: (typeof requests)[keyof typeof requests]) => boolean) =>
      Object.entries(requests).flatMap(([name, request]) => (allows(request) ? [name] : []));
    const ofRole = (entry: string) => allowedTo((request) => isAllowed(roles.of(entry), request));
    const asAcme = { 'aws:PrincipalTag/tenant': ACME };

    expect(ofRole('agent-host')).toEqual([]);
    expect(ofRole('worker')).toEqual(['read the registry', 'start a host']);
    expect(ofRole('gateway')).toEqual(['hear a mailbox', 'count usage']);
    expect(allowedTo((request) => isAllowed(roles.tenant.statements, request, asAcme))).toEqual([
      'put a pack of acme',
      'read a pack of acme',
      'post in a mailbox of acme',
      'hear a mailbox',
      'count usage',
      'move a head of acme',
    ]);
    expect(allowedTo((request) => isAllowed(roles.tenant.statements, request))).toEqual([]);
    expect(isAllowed(roles.of('worker'), { action: 'sts:AssumeRole', resource: roles.tenant.arn })).toBe(
      true,
    );
    expect(isAllowed(roles.of('gateway'), { action: 'sts:AssumeRole', resource: roles.tenant.arn })).toBe(
      false,
    );
  });
});
