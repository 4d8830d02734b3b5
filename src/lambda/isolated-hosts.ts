// Agents in a function of their own (`isolated`), whose environments each serve one session: see src/host/lambda. This
// function holds the stores, the queue and the channels, and no key of a model; it never opens a file of an agent.
import { LambdaClient } from '@aws-sdk/client-lambda';
import type { ModelEndpoint } from '../agent/environment.ts';
import { createModelAccess, upstreamOf } from '../agent/model-access.ts';
import { folderModelsOf } from '../agent/turn-models.ts';
import { systemClock } from '../core/clock.ts';
import { HOT_MEMORY_MB } from '../core/defaults.ts';
import type { Tenant } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import { createUpstream } from '../gateway/create-upstream.ts';
import { createLambdaHosts, type Presigner } from '../host/lambda/lambda-hosts.ts';
import type { Mailbox } from '../host/lambda/mailbox.ts';
import { createProcessHosts, type ProcessHosts } from '../host/process-hosts.ts';
import { createDynamoMailbox, type DynamoMailboxOptions } from '../stores/dynamodb/mailbox.ts';
import { createDynamoModelTroubles, type ModelTroubles } from '../stores/dynamodb/model-troubles.ts';
import { createDynamoTurnNotes, type TurnNotes } from '../stores/dynamodb/turn-notes.ts';
import type { EncryptionOf } from '../stores/s3/encryption.ts';
import { createS3Presigner, type S3PresignerOptions } from '../stores/s3/presigner.ts';
import { createTenantAgents } from '../tenants/tenant-agent.ts';
import { isolatedHostsSchema, readConfiguration } from './configuration.ts';
import { createRemoteGateway } from './remote-gateway.ts';
import { encryptionBy, type TenantKeys } from './tenant-stores.ts';
import type { WorkerHosts } from './worker.ts';

/** A URL is made when it is needed; an upload may have to wait for another one. */
const URL_SEC = 15 * 60;

export function isolatedHosts({ log }: { readonly log: Log }): WorkerHosts {
  const configuration = readConfiguration(isolatedHostsSchema, process.env);
  const { stateTable, bucket, agentHostFunction, gatewayUrl, gatewaySecretParameter } = configuration;
  const tables = { stateTable, clock: systemClock };
  const region = process.env.AWS_REGION ?? '';
  /** What the agents' programs take for the model, without any right to it. */
  const endpoint: ModelEndpoint = {
    demo: configuration.modelProvider === 'demo',
    ...(configuration.model === undefined ? {} : { model: configuration.model }),
    ...(configuration.modelProvider === 'bedrock' ? { bedrock: { AWS_REGION: region } } : {}),
  };
  let hosts: ProcessHosts | null = null;
  const { agentMemoryMb } = configuration;
  return {
    built: agentMemoryMb === undefined ? null : { agents: 'isolated', memoryMb: agentMemoryMb },
    parameters: [gatewaySecretParameter],
    async open({ objects, state, limits, secrets, usage, keysOf, recordOf }) {
      const secret = Buffer.from(secrets.get(gatewaySecretParameter) ?? '', 'base64url');
      // Of a folder that nobody described here: what the CLI takes by itself, and the installation's model.
      const { '': own = { others: [] }, ...named } = configuration.agentModels;
      const folder = folderModelsOf(own);
      const agentOf = recordOf
        ? createTenantAgents(
            {
              own: folder,
              named: new Map(Object.entries(named).map(([name, models]) => [name, folderModelsOf(models)])),
              models: configuration.tenantModels,
              served: configuration.model,
              budgets: configuration.budgets,
              narrowsNetwork: false,
            },
            recordOf,
          )
        : null;
      hosts = createProcessHosts({
        ...(agentOf && { agentOf }),
        start: createLambdaHosts({
          // What is refused is for the queue to repeat; a second try could run a second host.
          client: new LambdaClient({ maxAttempts: 1, requestHandler: { connectionTimeout: 2_000 } }),
          functionName: agentHostFunction,
          presigner: presignerFor(
            { bucket, expiresInSec: URL_SEC },
            keysOf,
            recordOf && encryptionBy(recordOf),
          ),
          objects,
          mailbox: mailboxFor(tables, keysOf),
          control: { url: gatewayUrl, secret },
          clock: systemClock,
          log,
        }),
        objects,
        state,
        limits,
        access: createModelAccess({
          folder,
          ...(agentOf && { agentOf }),
          model: endpoint,
          gateway: createRemoteGateway({
            url: gatewayUrl,
            secret,
            upstream: createUpstream(upstreamOf(endpoint)),
            usage,
            troubles: troublesFor(tables, keysOf),
            notes: configuration.signIns ? notesFor(tables, keysOf) : null,
            clock: systemClock,
          }),
          budgets: configuration.budgets,
        }),
        // A host without a session would need a tenant id of its own.
        spares: 0,
        // Where they run they stay by themselves: there is nothing here to count.
        ...(configuration.hotIdleMinutes > 0 && {
          hot: {
            sessions: Number.POSITIVE_INFINITY,
            memoryBytes: HOT_MEMORY_MB * 1024 * 1024,
            idleMs: Math.round(configuration.hotIdleMinutes * 60_000),
          },
        }),
        log,
      });
      return hosts;
    },
    settle: async () => hosts?.settled(),
  };
}

type KeysOf = ((tenant: Tenant) => TenantKeys) | null;

/** Signs with the keys of the tenant whose object it is, where there are such keys. */
export function presignerFor(
  options: S3PresignerOptions,
  keysOf: KeysOf,
  encryptionOf: ((tenant: Tenant) => EncryptionOf) | null = null,
): Presigner {
  if (!keysOf) return createS3Presigner(options);
  /** A worker has one turn at a time. */
  let last: { readonly tenant: Tenant; readonly presigner: Presigner } | null = null;
  const ofOwner = (key: string): Presigner => {
    const tenant = key.slice(0, key.indexOf('/')) as Tenant;
    if (last?.tenant !== tenant) {
      const presigner = createS3Presigner({
        ...options,
        credentials: keysOf(tenant).credentials,
        ...(encryptionOf && { encryptionOf: encryptionOf(tenant) }),
      });
      last = { tenant, presigner };
    }
    return last.presigner;
  };
  return { read: (key) => ofOwner(key).read(key), write: (key) => ofOwner(key).write(key) };
}

function troublesFor(options: DynamoMailboxOptions, keysOf: KeysOf): Pick<ModelTroubles, 'read'> {
  if (!keysOf) return createDynamoModelTroubles(options);
  const of = (tenant: Tenant) => createDynamoModelTroubles({ ...options, client: keysOf(tenant).dynamo });
  return { read: (tenant, turnId, run) => of(tenant).read(tenant, turnId, run) };
}

function notesFor(options: DynamoMailboxOptions, keysOf: KeysOf): Pick<TurnNotes, 'read'> {
  if (!keysOf) return createDynamoTurnNotes(options);
  const of = (tenant: Tenant) => createDynamoTurnNotes({ ...options, client: keysOf(tenant).dynamo });
  return { read: (tenant, turnId, run) => of(tenant).read(tenant, turnId, run) };
}

export function mailboxFor(options: DynamoMailboxOptions, keysOf: KeysOf): Mailbox {
  if (!keysOf) return createDynamoMailbox(options);
  const of = (tenant: Tenant) => createDynamoMailbox({ ...options, client: keysOf(tenant).dynamo });
  return {
    post: (box, number, message) => of(box.tenant).post(box, number, message),
    read: (box, after, waitMs) => of(box.tenant).read(box, after, waitMs),
  };
}
