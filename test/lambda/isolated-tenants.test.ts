// Several tenants whose agents are isolated: the built functions under the roles of the synthesized template, which the
// stand-ins enforce. What the worker has is one tenant's; what a host has is a few URLs that were signed with that.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { systemClock } from '../../src/core/clock.ts';
import { DEFAULT_TENANT } from '../../src/core/defaults.ts';
import { tenantId } from '../../src/core/ids.ts';
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

const started = await startBuiltInstallation({
  folder,
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

let said = 0;
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
        await fetch(await presigner.write(key), {
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
