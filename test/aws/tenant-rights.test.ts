// Who may do what where there are several tenants: every request that real turns make, by the policies of the synthesized
// template. Each role can do its own requests, none of another tenant's, and nothing that no turn asks for.
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { type AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, describe, expect, test } from 'vitest';
import { createTenantCredentials } from '../../src/aws/tenant-credentials.ts';
import { tenantKeyStatement, tenantStatements } from '../../src/aws/tenant-policy.ts';
import { createHttpChannel } from '../../src/channels/http/index.ts';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { Refused } from '../../src/core/errors.ts';
import { type Tenant, tenantId } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { type TurnRequestInput, turnRequest } from '../../src/core/messages.ts';
import type { AgentRun } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import type { BotId, TenantName } from '../../src/core/tenants.ts';
import { tenantSettingsSchema } from '../../src/core/tenants.ts';
import { NO_USAGE } from '../../src/core/usage-counters.ts';
import { processMessage, type WorkerDeps } from '../../src/core/worker.ts';
import { createDirectHosts } from '../../src/host/direct-hosts.ts';
import { createTemporaryWorkplace } from '../../src/lambda/temporary-workplace.ts';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createDynamoEventLog } from '../../src/stores/dynamodb/event-log.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { createDynamoTenantRegistry } from '../../src/stores/dynamodb/tenant-registry.ts';
import { createDynamoUsageLedger } from '../../src/stores/dynamodb/usage-ledger.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { createTenantDirectory } from '../../src/tenants/directory.ts';
import { type DynamoDbLocal, localAws, startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { type IamRequest, isAllowed, type PolicyStatement } from '../../testing/aws/iam/evaluate.ts';
import { type IamNames, iamRequestsOf } from '../../testing/aws/iam/requests.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { createManualClock } from '../../testing/clock.ts';
import { FULL, ofType, synthesize } from '../cdk/synthesize.ts';
import { statementsOf, trustOf } from './template-policies.ts';

const [ACME, OTHER] = [tenantId('acme'), tenantId('acme-2')];
const tagged = (tenant: Tenant) => ({ 'aws:PrincipalTag/tenant': tenant });

const synthesized = synthesize({ ...FULL, tenants: { parameterPrefix: '/my-bots' } });
const [tenantRole = ''] =
  ofType(synthesized, 'AWS::IAM::Role').find(([, { Properties }]) =>
    String(Properties.Description).startsWith('What a turn may reach'),
  ) ?? [];
const roleOfImage = ofType(synthesized, 'AWS::Lambda::Function').find(
  ([, { Properties }]) => Properties.PackageType === 'Image',
)?.[1].Properties.Role as { 'Fn::GetAtt': [string] };
const workerRole = roleOfImage['Fn::GetAtt'][0];
const [byTenant, byWorker] = [statementsOf(synthesized, tenantRole), statementsOf(synthesized, workerRole)];

const logicalId = (type: string, part: string) =>
  `arn:${ofType(synthesized, type).find(([id]) => id.includes(part))?.[0]}`;
const NAMES: IamNames = {
  table: (name) => logicalId('AWS::DynamoDB::GlobalTable', name.endsWith('mapping') ? 'Mapping' : 'State'),
  bucket: () => logicalId('AWS::S3::Bucket', 'Sessions'),
  queue: (url) => logicalId('AWS::SQS::Queue', url.includes('dead') ? 'Dead' : 'Turns'),
};

interface Recorded {
  readonly by: 'tenant' | 'worker';
  readonly request: IamRequest;
}

/** What each client of a worker asks for, from here on. */
function recorder() {
  const recorded: Recorded[] = [];
  const listen = (by: Recorded['by'], client: { middlewareStack: { add: unknown } }) => {
    const add = client.middlewareStack.add as (middleware: unknown, options: object) => void;
    add.call(
      client.middlewareStack,
      (next: (args: object) => unknown, context: { commandName?: string }) => (args: { input: object }) => {
        const input = args.input as Record<string, unknown>;
        for (const request of iamRequestsOf(context.commandName ?? '', input, NAMES))
          recorded.push({ by, request });
        return next(args);
      },
      { step: 'initialize' },
    );
  };
  return { recorded, listen };
}

const allowedToTenant = (request: IamRequest, tenant: Tenant) => isAllowed(byTenant, request, tagged(tenant));

describe('the evaluator itself', () => {
  const allow = (over: Partial<PolicyStatement>): PolicyStatement[] => [
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of a policy.
    { Effect: 'Allow', Action: 's3:Get*', Resource: 'arn:b/${t}/*', ...over },
  ];
  const get = (resource: string, context = {}) => ({ action: 's3:GetObject', resource, context });

  test('denies what nothing allows, and what something denies', () => {
    expect(isAllowed([], get('arn:b/x/1'))).toBe(false);
    expect(isAllowed(allow({}), get('arn:b/x/1'), { t: 'x' })).toBe(true);
    expect(isAllowed(allow({}), get('arn:b/xy/1'), { t: 'x' })).toBe(false);
    expect(isAllowed(allow({}), { action: 's3:PutObject', resource: 'arn:b/x/1' }, { t: 'x' })).toBe(false);
    const denied = [...allow({}), ...allow({ Effect: 'Deny', Resource: '*/2' })];
    expect(isAllowed(denied, get('arn:b/x/1'), { t: 'x' })).toBe(true);
    expect(isAllowed(denied, get('arn:b/x/2'), { t: 'x' })).toBe(false);
  });

  test('a variable that is not there matches nothing, and its value is no pattern', () => {
    expect(isAllowed(allow({}), get('arn:b//1'))).toBe(false);
    expect(isAllowed(allow({}), get('arn:b/x/1'), { t: '*' })).toBe(false);
    expect(isAllowed(allow({}), get('arn:b/*/1'), { t: '*' })).toBe(true);
  });

  test('ForAllValues holds for none, unless Null stands beside it', () => {
    const some = { 'ForAllValues:StringLike': { k: ['a*'] } };
    const guarded = { ...some, Null: { k: 'false' } };
    const resource = 'arn:b/x/1';
    const ask = (Condition: PolicyStatement['Condition'], context: object) =>
      isAllowed(allow({ Resource: '*', ...(Condition && { Condition }) }), get(resource, context));
    expect(ask(some, {})).toBe(true);
    expect(ask(guarded, {})).toBe(false);
    expect(ask(guarded, { k: ['a1', 'a2'] })).toBe(true);
    expect(ask(guarded, { k: ['a1', 'b'] })).toBe(false);
    expect(ask({ StringEquals: { k: 'a' } }, { k: ['a'] })).toBe(true);
    expect(ask({ StringEquals: { k: 'a' } }, {})).toBe(false);
    expect(() => ask({ DateGreaterThan: { k: 'a' } }, { k: ['a'] })).toThrow(/does not know/);
  });
});

describe('the template', () => {
  test('has no finding without a reason, and no role of several tenants where there is one', () => {
    expect(synthesized.findings).toEqual([]);
    const one = synthesize(FULL);
    const described = ofType(one, 'AWS::IAM::Role').map(([, { Properties }]) => Properties.Description);
    expect(described.filter((text) => /tenant/i.test(String(text ?? '')))).toEqual([]);
  });

  test('gives the role what the pure function says', () => {
    const arns = {
      mappingTableArn: NAMES.table('mapping'),
      stateTableArn: NAMES.table('state'),
      bucketArn: NAMES.bucket(''),
    };
    const key = tenantKeyStatement('aws', 'eu-central-1');
    const literal = [...tenantStatements(arns, ACME), key];
    expect(literal).toHaveLength(byTenant.length);
    // A session policy has at most 2,048 characters, should somebody want one.
    const real = {
      mappingTableArn: `arn:aws:dynamodb:eu-central-1:123456789012:table/${'m'.repeat(60)}`,
      stateTableArn: `arn:aws:dynamodb:eu-central-1:123456789012:table/${'s'.repeat(60)}`,
      bucketArn: `arn:aws:s3:::${'b'.repeat(60)}`,
    };
    const statements = [...tenantStatements(real, ACME), key];
    const policy = JSON.stringify({ Version: '2012-10-17', Statement: statements });
    expect(policy.length).toBeLessThan(2_048);
  });

  test('lets nobody assume the role without exactly one tag', () => {
    const trust = trustOf(synthesized, tenantRole);
    const assume = (tags: Record<string, string>) =>
      ['sts:AssumeRole', 'sts:TagSession'].every((action) =>
        isAllowed(trust, {
          action,
          resource: '*',
          context: {
            ...Object.fromEntries(
              Object.entries(tags).map(([key, value]) => [`aws:RequestTag/${key}`, [value]]),
            ),
            'aws:TagKeys': Object.keys(tags),
          },
        }),
      );
    expect(assume({ tenant: ACME })).toBe(true);
    expect(assume({})).toBe(false);
    expect(assume({ tenant: '' })).toBe(false);
    expect(assume({ tenant: ACME, admin: 'yes' })).toBe(false);
    const principals = synthesized.resources[tenantRole]?.Properties.AssumeRolePolicyDocument;
    expect(JSON.stringify(principals)).toContain(workerRole);
    expect(JSON.stringify(principals)).not.toContain('"*"');
  });
});

const dynamo = await startDynamoDbLocal();
if ('unavailable' in dynamo) {
  test.skip(`requests of turns left out: ${dynamo.unavailable}`, () => {});
} else {
  const local: DynamoDbLocal = dynamo;
  const [s3Server, sqsServer] = [await startS3Server(), await startSqsFifoServer()];
  const root = await mkdtemp(join(tmpdir(), 'hs-rights-'));
  const s3 = new S3Client({ ...localAws, endpoint: s3Server.endpoint, forcePathStyle: true });
  const sqs = new SQSClient({ ...localAws, endpoint: sqsServer.endpoint });
  afterAll(async () => {
    s3.destroy();
    sqs.destroy();
    await Promise.all([s3Server.close(), sqsServer.close(), dynamo.close()]);
    await rm(root, { recursive: true, force: true });
  });

  /** The turns of one tenant, with everything that a worker's turn can ask for. */
  async function record(): Promise<readonly Recorded[]> {
    const tables = await local.createTables('rights');
    await s3.send(new CreateBucketCommand({ Bucket: 'rights' }));
    const makeQueue = async (name: string) =>
      (
        await sqs.send(
          new CreateQueueCommand({ QueueName: `${name}.fifo`, Attributes: { FifoQueue: 'true' } }),
        )
      ).QueueUrl!;
    const [queueUrl, deadLetterQueueUrl] = [await makeQueue('turns'), await makeQueue('dead')];
    const clock = createManualClock(Date.now());
    const [ofTenant, ofWorker] = [local.client(), local.client()];
    const registry = createDynamoTenantRegistry({
      client: local.client(),
      stateTable: tables.stateTable,
      clock,
    });
    const bots = [{ channel: 'http', bot: 'main' }];
    await registry.add('acme' as TenantName, tenantSettingsSchema.parse({ bots }), 'test');

    const { recorded, listen } = recorder();
    listen('tenant', ofTenant);
    listen('tenant', s3);
    listen('worker', ofWorker);
    listen('worker', sqs);
    const reads = createDynamoTenantRegistry({ client: ofWorker, stateTable: tables.stateTable, clock });
    const directory = createTenantDirectory(reads, clock);
    await directory.bot('http', 'main' as BotId);
    const store = createDynamoSessionStore({ client: ofTenant, ...tables, clock });
    const events = createDynamoEventLog({ client: ofTenant, stateTable: tables.stateTable, clock });
    const objects = createS3ObjectStore({ client: s3, bucket: 'rights' });
    const state = createSessionState({
      objects,
      limits: { maxWorkspaceBytes: 1e8, maxWorkspaceFiles: 1_000 },
    });
    const usage = createDynamoUsageLedger({ client: ofTenant, stateTable: tables.stateTable, clock });
    const queue = createSqsTurnQueue({ client: sqs, queueUrl, deadLetterQueueUrl, clock });
    const hostsAt = (name: string) => {
      mkdirSync(join(root, name));
      return createDirectHosts({
        state,
        workplace: createTemporaryWorkplace(join(root, name), { keepSession: true }),
        runner: {
          async run({ directory: files, request, progress }: AgentRun) {
            progress({ type: 'text', text: 'x' });
            await usage.add(
              [
                { tenant: ACME, scope: 'tenant', id: '', period: 'day', start: '2026-11-26' },
                { tenant: ACME, scope: 'chat', id: request.sessionKey, period: 'whole', start: '' },
                { tenant: ACME, scope: 'speaker', id: 'x'.repeat(300), period: 'month', start: '2026-11' },
              ],
              { ...NO_USAGE, calls: 1 },
            );
            await writeFile(join(files.workspace, `${request.turnId}.txt`), request.text.slice(0, 1_000));
            if (request.text === 'fail') throw new Error('no');
            return { status: 'ok', text: `heard ${request.text}`, demo: false };
          },
        },
        clock,
        log: silentLog,
      });
    };
    const deps: WorkerDeps = {
      store,
      queue,
      state,
      hosts: hostsAt('first'),
      channels: new Map([['http', createHttpChannel({ events, log: silentLog, gatherMs: 1 })]]),
      clock,
      log: silentLog,
      timing: { leaseMs: 45_000, heartbeatMs: 12_000, checkpointEveryMs: 0 },
      retentionSec: 86_400,
      maxAttempts: 1,
      visibilityMs: 60_000,
      standing: directory.standing,
    };
    const say = (over: Partial<TurnRequestInput> = {}) =>
      turnRequest({
        conversation: { tenant: 'acme', channel: 'http', bot: 'main', chat: 'c', thread: null },
        dedupeId: 'm1',
        text: 'hello',
        receivedAtMs: clock.now(),
        ...over,
      });
    const turn = async (over: Partial<TurnRequestInput> = {}, worker = deps) => {
      await acceptAndQueue({ ...deps, standing: directory.standing }, say(over));
      const [delivery] = await queue.receive({ max: 1, waitMs: 0, visibilityMs: 60_000 });
      return await processMessage(worker, delivery!, new AbortController().signal);
    };
    expect(await turn()).toEqual({ kind: 'done' });
    expect(await turn({ dedupeId: 'm2' }, { ...deps, hosts: hostsAt('second') })).toEqual({
      kind: 'done',
    });
    // Long texts have items of their own; many turns make packs that are merged, and old ones that are removed.
    for (let i = 0; i < 12; i++) {
      expect(await turn({ dedupeId: `n${i}`, text: `${i} ${'long '.repeat(1_000)}` })).toEqual({
        kind: 'done',
      });
    }
    expect(await turn({ dedupeId: 'm3', kind: 'new', text: '' })).toEqual({ kind: 'done' });
    await turn({ dedupeId: 'm4', text: 'fail' });
    await clock.advance(120_000);
    const [again] = await queue.receive({ max: 1, waitMs: 0, visibilityMs: 60_000 });
    if (again) await processMessage(deps, again, new AbortController().signal);
    const { sessionKey } = say();
    // What a running turn and those who watch it ask besides.
    const request = say({ dedupeId: 'm5' });
    const begin = { request, owner: 'w', leaseMs: 45_000, newSessionId: 'unused' as never, retentionSec: 60 };
    const { lease, head } = await store.begin(begin);
    await store.renew(lease, 45_000, request.turnId);
    await store.setAnchor(lease, request.turnId, { a: 1 });
    await store.check(lease);
    const { generation } = head;
    await store.advance({ lease, baseGeneration: generation, generation, state: head.state ?? {} });
    await store.release(lease, { forgive: request.turnId });
    await store.listTurns(sessionKey);
    await store.listMappings(ACME);
    await store.listHeads(ACME, { sessionKey });
    await events.read(ACME, request.turnId, 0, { waitMs: 0 });
    const spent = { tenant: ACME, scope: 'chat', id: sessionKey } as const;
    await usage.read([{ ...spent, period: 'whole', start: '' }]);
    await usage.history(spent);
    await usage.erase(spent);
    await objects.put(`${ACME}/large/pack`, new Uint8Array(12_000_000));
    await state.erase(ACME, 'large' as never);
    return recorded;
  }

  const recorded = await record();
  const distinct = [...new Map(recorded.map((one) => [JSON.stringify(one), one])).values()];

  describe(`${promise('TENANT')} every request of a tenant's turns`, () => {
    test('was seen: the kinds of call that workers make', () => {
      const actions = new Set(distinct.map(({ request }) => request.action));
      for (const action of [
        'dynamodb:GetItem',
        'dynamodb:PutItem',
        'dynamodb:UpdateItem',
        'dynamodb:Query',
        's3:GetObject',
        's3:PutObject',
        's3:DeleteObject',
        's3:ListBucket',
        'sqs:SendMessage',
        'sqs:ChangeMessageVisibility',
      ]) {
        expect(actions, action).toContain(action);
      }
      expect(distinct.length).toBeGreaterThan(40);
    });

    test('is allowed to the role that makes it', () => {
      // What the event source does for a function, and a receive that only tests make.
      const polled = new Set(['sqs:ReceiveMessage', 'sqs:DeleteMessage']);
      const refused = distinct.filter(({ by, request }) =>
        by === 'tenant'
          ? !allowedToTenant(request, ACME)
          : !isAllowed(byWorker, request) && !polled.has(request.action),
      );
      expect(refused).toEqual([]);
    });

    test('is refused to the role of another tenant, and of no tenant', () => {
      const mine = distinct.filter(({ by }) => by === 'tenant');
      for (const { request } of mine) {
        expect(allowedToTenant(request, OTHER), JSON.stringify(request)).toBe(false);
        expect(isAllowed(byTenant, request), JSON.stringify(request)).toBe(false);
        expect(isAllowed(byTenant, request, tagged('*' as Tenant)), JSON.stringify(request)).toBe(false);
      }
    });

    test("is refused to the worker's own role, which has no data", () => {
      for (const { request } of distinct.filter(({ by }) => by === 'tenant')) {
        expect(isAllowed(byWorker, request), JSON.stringify(request)).toBe(false);
      }
    });

    test('is refused as soon as another tenant is mixed in, or none is named', () => {
      for (const { request } of distinct.filter(({ by }) => by === 'tenant')) {
        const { context = {} } = request;
        const keys = context['dynamodb:LeadingKeys'];
        if (keys) {
          const [first = ''] = keys;
          const theirs = first.replace(ACME, OTHER);
          for (const leading of [
            [theirs],
            [...keys, theirs],
            ['#tenants'],
            ['#audit'],
            [''],
            [`x${first}`],
            [],
          ]) {
            const forged = { ...request, context: { ...context, 'dynamodb:LeadingKeys': leading } };
            expect(allowedToTenant(forged, ACME), JSON.stringify(forged)).toBe(false);
          }
          expect(allowedToTenant({ action: request.action, resource: request.resource }, ACME)).toBe(false);
          expect(allowedToTenant({ action: 'dynamodb:Scan', resource: request.resource }, ACME)).toBe(false);
          const forTable = ['DeleteTable', 'UpdateTable', 'ExportTableToPointInTime', 'PartiQLSelect'];
          for (const verb of forTable) {
            expect(allowedToTenant({ ...request, action: `dynamodb:${verb}` }, ACME)).toBe(false);
          }
        } else if (request.action === 's3:ListBucket') {
          for (const prefix of ['', 'a', ACME, `${OTHER}/`]) {
            const forged = { ...request, context: { 's3:prefix': [prefix] } };
            expect(allowedToTenant(forged, ACME), prefix).toBe(false);
          }
          expect(allowedToTenant({ action: request.action, resource: request.resource }, ACME)).toBe(false);
        } else {
          const theirs = { ...request, resource: request.resource.replace(`/${ACME}/`, `/${OTHER}/`) };
          expect(theirs.resource).not.toBe(request.resource);
          expect(allowedToTenant(theirs, ACME)).toBe(false);
          for (const verb of ['GetObjectVersion', 'PutObjectAcl', 'DeleteObjectVersion']) {
            expect(allowedToTenant({ ...request, action: `s3:${verb}` }, ACME)).toBe(false);
          }
        }
      }
    });

    test('opens nothing of the registry but what the worker reads by key', () => {
      const registry = (action: string, leading: string[]) =>
        isAllowed(byWorker, {
          action: `dynamodb:${action}`,
          resource: NAMES.table('state'),
          context: { 'dynamodb:LeadingKeys': leading },
        });
      expect(registry('GetItem', ['#tenants'])).toBe(true);
      expect(registry('GetItem', ['#bots'])).toBe(true);
      expect(registry('GetItem', ['#audit'])).toBe(false);
      for (const verb of ['PutItem', 'UpdateItem', 'DeleteItem', 'Query', 'Scan']) {
        expect(registry(verb, ['#tenants']), verb).toBe(false);
      }
      // What the workers of a channel share is read and replaced by name, never listed.
      for (const verb of ['GetItem', 'PutItem']) expect(registry(verb, ['#notes']), verb).toBe(true);
      for (const verb of ['UpdateItem', 'DeleteItem', 'Query', 'Scan']) {
        expect(registry(verb, ['#notes']), verb).toBe(false);
      }
      expect(registry('PutItem', ['#notes', '#bots'])).toBe(false);
    });
  });
}

describe('credentials of a tenant', () => {
  function stsThat(answer: (input: AssumeRoleCommand['input']) => object) {
    const asked: AssumeRoleCommand['input'][] = [];
    const client = new STSClient({ ...localAws, endpoint: 'http://127.0.0.1:9' });
    client.middlewareStack.add(
      () => async (args) => {
        const input = args.input as AssumeRoleCommand['input'];
        asked.push(input);
        return { output: { $metadata: {}, ...answer(input) }, response: {} } as never;
      },
      { step: 'initialize' },
    );
    return { client, asked };
  }
  const answer = (expiresAtMs: number) => ({
    Credentials: {
      AccessKeyId: 'a',
      SecretAccessKey: 's',
      SessionToken: 't',
      Expiration: new Date(expiresAtMs),
    },
  });

  test('are asked for with its tag, kept until shortly before they end, and never given to another', async () => {
    let nowMs = 0;
    const { client, asked } = stsThat(() => answer(nowMs + 3_600_000));
    const of = createTenantCredentials({ roleArn: 'arn:aws:iam::1:role/x', client, now: () => nowMs });
    await Promise.all([of(ACME), of(ACME)]);
    await of(ACME);
    await of(OTHER);
    expect(asked.map(({ Tags }) => Tags)).toEqual([
      [{ Key: 'tenant', Value: ACME }],
      [{ Key: 'tenant', Value: OTHER }],
    ]);
    expect(asked.map(({ RoleSessionName }) => RoleSessionName)).toEqual(['tenant-acme', 'tenant-acme=2D2']);
    nowMs = 49 * 60_000;
    await of(ACME);
    expect(asked).toHaveLength(2);
    nowMs = 51 * 60_000;
    expect((await of(ACME)).expiration.getTime()).toBe(nowMs + 3_600_000);
    expect(asked).toHaveLength(3);
  });

  test('that cannot be had are refused, and asked for again at the next try', async () => {
    let fails = true;
    const { client, asked } = stsThat(() => {
      if (fails) throw new Error('throttled');
      return answer(Date.now() + 3_600_000);
    });
    const of = createTenantCredentials({ roleArn: 'arn:aws:iam::1:role/x', client });
    await expect(of(ACME)).rejects.toThrow(Refused);
    fails = false;
    await of(ACME);
    expect(asked).toHaveLength(2);
  });
});
