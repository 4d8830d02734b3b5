// A whole installation on one machine, put together as the CDK construct does: tables in DynamoDB Local, a bucket,
// four FIFO queues, parameters, a fake Telegram, and every function as a process of the real runtime client over
// the built files. The real setup function makes the secrets and registers the webhook. State is in the stand-ins
// for S3 and DynamoDB and nowhere else.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { endProcesses } from '../../src/agent/processes.ts';
import { writeInstallation } from '../../src/aws/installation.ts';
import { INSTALLATION_FILE } from '../../src/aws/installation-file.ts';
import { copyAgentFiles } from '../../src/cdk/agent-files.ts';
import { agentModelVariables } from '../../src/cdk/agent-models.ts';
import { channelEnvironment, installedChannels } from '../../src/cdk/channels.ts';
import { asVariables } from '../../src/channels/deployed.ts';
import type { ChannelDescriptor } from '../../src/channels/descriptor.ts';
import { CHANNELS } from '../../src/channels/index.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { type DynamoDbLocal, localAws, startDynamoDbLocal } from '../aws/dynamodb-local.ts';
import { startDynamoDbGate } from '../aws/iam/dynamodb-gate.ts';
import type { PolicyStatement } from '../aws/iam/evaluate.ts';
import { createKeyring, type Keyring } from '../aws/iam/keyring.ts';
import type { IamNames } from '../aws/iam/requests.ts';
import type { Unavailable } from '../aws/process.ts';
import { type S3Server, startS3Server } from '../aws/s3/server.ts';
import { type SqsFifoServer, startSqsFifoServer } from '../aws/sqs/server.ts';
import { type AssumableRole, startSts } from '../aws/sts.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';
import { type FakeTelegram, startFakeTelegram } from '../telegram/fake-telegram.ts';
import { type CustomResource, runCustomResource } from './custom-resource.ts';
import { type EventSource, startEventSource } from './event-source.ts';
import { type FunctionEnvironment, type FunctionOptions, startFunction } from './function-environment.ts';
import { createFunctionUrl } from './function-url.ts';
import { startInvokeServer } from './invoke-server.ts';
import { type ParameterStore, startParameterStore } from './parameter-store.ts';
import { openSandbox, type Sandbox } from './sandbox.ts';
import { createTenantEnvironments, type TenantEnvironments } from './tenant-environments.ts';

export interface InstallationOptions {
  /** A folder of its own, for the workers' temporary folders. */
  readonly folder: string;
  /** What scripts/functions.mjs built. */
  readonly functions: string;
  /** What scripts/image.mjs assembled. */
  readonly image: string;
  /** Address of a Messages API; the demo model answers without one. */
  readonly modelUrl?: string;
  /** Values of the owner's parameters, in place of the usual ones. */
  readonly secrets?: { readonly modelKey: string; readonly botToken: string };
  readonly workers?: number;
  /** `isolated`: agents run in a function of their own, one session in each of its environments. @default shared */
  readonly agents?: 'isolated' | 'shared';
  /** Whether people sign in to a tool server of the agent folder. */
  readonly signIns?: boolean;
  /** Of the workers' invocations; a function is asked before each. */
  readonly workerTimeoutMs?: number | (() => number);
  /** Receives before SQS takes a turn from the workers. */
  readonly maxReceives?: number;
  /** Ports of the API and of the fake Telegram; free ones otherwise. */
  readonly ports?: { readonly api?: number; readonly telegram?: number };
  readonly onOutput?: (text: string) => void;
  /**
   * Several tenants, each function with the rights of its role, and the tenants' role: DynamoDB, S3, STS and Lambda refuse
   * what those do not allow. @default one tenant, and nothing is refused
   */
  readonly roles?: InstalledRoles;
  /** Agent folders that tenants may be given, by name: copied into the image. Only with `isolated`. */
  readonly tenantFolders?: Readonly<Record<string, string>>;
  /** Models that tenants may be given. */
  readonly tenantModels?: readonly string[];
  /** Channels that are on besides Telegram. The built functions must know them. */
  readonly channels?: readonly OwnChannel[];
}

export interface InstalledRoles {
  /** By the name of its entry: `worker`, `gateway`, `api`. */
  of(entry: string): readonly PolicyStatement[];
  readonly tenant: AssumableRole;
  readonly names: IamNames & { functionArn(name: string): string };
}

export interface OwnChannel {
  readonly channel: ChannelDescriptor;
  /** Its section of the deployment's settings. */
  readonly section: Readonly<Record<string, unknown>>;
  /** Values of the parameters that the section names. */
  readonly secrets: Readonly<Record<string, string>>;
}

export interface Installation {
  readonly apiUrl: string;
  readonly apiKey: string;
  /** Where Telegram sends updates. */
  readonly webhookUrl: string;
  /** Below it every channel has its routes. */
  readonly ingressUrl: string;
  readonly telegram: FakeTelegram;
  readonly bot: FakeBot;
  readonly workers: readonly FunctionEnvironment[];
  readonly stranded: FunctionEnvironment;
  /** Sends what webhooks are due. */
  readonly webhooks: FunctionEnvironment;
  /** On AWS a schedule invokes it once a day; here nobody does but the test. */
  readonly sweep: FunctionEnvironment;
  /** Of the agents' function; null when they run in the worker's. */
  readonly agentHosts: TenantEnvironments | null;
  /** Of the agents' way to the model; null as above. */
  readonly gatewayUrl: string | null;
  /** Around what an agent runs in; null where this machine has none. */
  readonly sandbox: Sandbox | null;
  /** The workers' temporary folders, `/tmp` on Lambda. */
  readonly temporary: readonly string[];
  /** One more worker, which no queue feeds: the test invokes it. Its temporary folder is `tmp-<name>`. */
  apart(name: string, variables?: Readonly<Record<string, string>>): Promise<FunctionEnvironment>;
  readonly queueUrls: Readonly<Record<'turns' | 'stranded' | 'dead' | 'webhooks', string>>;
  readonly sqs: SqsFifoServer;
  readonly s3: S3Server;
  readonly dynamo: DynamoDbLocal;
  readonly tables: { readonly mappingTable: string; readonly stateTable: string };
  readonly parameters: ParameterStore;
  /** null without `roles`. */
  readonly keyring: Keyring | null;
  /** What `hybrid-sessions sessions --aws` is given, and the credentials it wants in its environment. */
  readonly awsFile: string;
  readonly credentials: Readonly<Record<'AWS_ACCESS_KEY_ID' | 'AWS_SECRET_ACCESS_KEY', string>>;
  /** Properties of the custom resources that the setup function was run with. */
  readonly prepare: { readonly step: string; readonly secrets: readonly string[] };
  readonly registrations: readonly {
    readonly step: string;
    readonly channel: string;
    readonly url: string;
  }[];
  /** Runs the setup function as CloudFormation does. */
  setup(resource: CustomResource): Promise<Record<string, string>>;
  close(): Promise<void>;
}

export const ALLOWED_USER = 1001;
const BOT_TOKEN = '4242:LOCAL-TEST-TOKEN';
const BUCKET = 'sessions';
const NAMES = {
  token: '/local/telegram-token',
  modelKey: '/local/model-key',
  apiKey: '/local/api-key',
  gatewaySecret: '/local/gateway-secret',
  vault: '/local/vault',
};
const AGENT_HOST = 'agent-host';
const MAX_AGENT_HOSTS = 50;
/** As on AWS an environment lives on for some minutes. */
const AGENT_HOST_IDLE_MS = 5 * 60_000;
/** A turn's host holds one while its model speaks, and asks another for its worker's words. */
const GATEWAY_ENVIRONMENTS = 8;
const API_ENVIRONMENTS = 6;
const VISIBILITY_SEC = 960;

export async function startInstallation(options: InstallationOptions): Promise<Installation | Unavailable> {
  const dynamo = await startDynamoDbLocal();
  if ('unavailable' in dynamo) return dynamo;
  const ends: (() => Promise<unknown>)[] = [() => dynamo.close()];
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  const opened = <T extends { close(): Promise<unknown> }>(part: T): T => {
    ends.push(() => part.close());
    return part;
  };
  try {
    const { roles } = options;
    const keyring = roles ? createKeyring() : null;
    const s3 = opened(
      await startS3Server(roles && keyring ? { iam: { keyring, bucketArn: roles.names.bucket } } : {}),
    );
    const sqs = opened(await startSqsFifoServer());
    const telegramPort = options.ports?.telegram;
    const telegram = opened(
      await startFakeTelegram(telegramPort === undefined ? {} : { port: telegramPort }),
    );
    const own = options.channels ?? [];
    const { modelKey, botToken } = options.secrets ?? {
      modelKey: 'sk-local-model-key',
      botToken: BOT_TOKEN,
    };
    const parameters = opened(
      await startParameterStore({
        [NAMES.token]: botToken,
        [NAMES.modelKey]: modelKey,
        ...Object.assign({}, ...own.map(({ secrets }) => secrets)),
      }),
    );
    const sections = {
      telegram: {
        tokenParameter: NAMES.token,
        allowedUsers: [ALLOWED_USER],
        apiRoot: telegram.apiRoot,
      },
      ...Object.fromEntries(own.map(({ channel, section }) => [channel.name, section])),
    };
    const channels = installedChannels(
      [...new Set<ChannelDescriptor>([...CHANNELS, ...own.map(({ channel }) => channel)])],
      sections,
      (name) => `/local/${name}`,
    );
    const bot = telegram.addBot({ token: botToken, username: 'local_hybrid_bot', webhookRetryMs: 200 });
    const tables = await dynamo.createTables('local');
    await makeBucket(s3.endpoint);
    const queues = new SQSClient({ ...localAws, endpoint: sqs.endpoint });
    ends.push(async () => queues.destroy());
    const queueUrls = await makeQueues(queues, options.maxReceives ?? 1_000);

    const credentials = {
      AWS_ACCESS_KEY_ID: localAws.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: localAws.credentials.secretAccessKey,
    };
    const awsFile = join(options.folder, INSTALLATION_FILE);
    writeInstallation(awsFile, {
      region: localAws.region,
      ...tables,
      bucket: BUCKET,
      queueUrl: queueUrls.turns,
      deadLetterQueueUrl: queueUrls.dead,
      webhookQueueUrl: queueUrls.webhooks,
      vault: NAMES.vault,
      endpoints: {
        dynamodb: dynamo.endpoint,
        s3: s3.endpoint,
        sqs: sqs.endpoint,
        ssm: parameters.endpoint,
      },
    });
    const guarded = roles && keyring ? await guard(dynamo.endpoint, roles, keyring) : null;
    for (const one of guarded?.parts ?? []) opened(one);
    const aws = {
      ...credentials,
      AWS_ENDPOINT_URL_DYNAMODB: guarded?.dynamo ?? dynamo.endpoint,
      ...guarded?.variables,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ENDPOINT_URL_SQS: sqs.endpoint,
      AWS_ENDPOINT_URL_SSM: parameters.endpoint,
      [VARIABLES.installation]: 'local',
      [VARIABLES.mappingTable]: tables.mappingTable,
      [VARIABLES.stateTable]: tables.stateTable,
      [VARIABLES.queueUrl]: queueUrls.turns,
      [VARIABLES.webhookQueueUrl]: queueUrls.webhooks,
      // Of this machine, where a test listens.
      [VARIABLES.webhooks]: JSON.stringify({ privateAddresses: ['127.0.0.1'] }),
      [VARIABLES.vault]: NAMES.vault,
    };
    const keysOf = (name: string): Record<string, string> => {
      if (!roles || !keyring) return {};
      const { accessKeyId, secretAccessKey } = keyring.role(name, roles.of(name.replace(/-.+$/, '')));
      return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    };
    const start = async (
      name: string,
      more: Record<string, string>,
      other: Partial<Pick<FunctionOptions, 'folder' | 'timeoutMs' | 'walls' | 'handler'>> = {},
    ) => {
      const environment = await startFunction({
        name,
        folder: other.folder ?? options.functions,
        handler: other.handler ?? `${name.replace(/-.+$/, '')}.handler`,
        timeoutMs: other.timeoutMs ?? 900_000,
        environment: { ...aws, ...keysOf(name), ...more },
        ...(other.walls ? { walls: other.walls } : {}),
        ...(options.onOutput ? { onOutput: options.onOutput } : {}),
      });
      ends.push(() => environment.stop());
      return environment;
    };

    const setupFunction = await start('setup', {});
    const setup = (resource: CustomResource) => runCustomResource(setupFunction, resource);
    const prepare = {
      step: 'prepare',
      secrets: [
        ...channels.flatMap(({ generatedSecrets }) => generatedSecrets),
        NAMES.apiKey,
        ...(options.agents === 'isolated' ? [NAMES.gatewaySecret] : []),
      ],
      identify: Object.fromEntries(
        channels
          .filter(({ channel }) => channel.identity)
          .map(({ channel, settings }) => [channel.name, settings('setup')]),
      ),
    };
    const told = await setup({ type: 'Create', properties: prepare });

    const taking = channels.filter(({ channel }) => channel.webhook);
    const identities = taking.map(({ channel }) =>
      asVariables(
        channel,
        Object.fromEntries(
          (channel.identity ?? []).map((fact) => [fact, told[`${channel.name}.${fact}`] ?? '']),
        ),
      ),
    );
    const ingress = await start('ingress', {
      ...channelEnvironment(taking, 'webhook'),
      ...Object.assign({}, ...identities),
    });
    const webhook = opened(await createFunctionUrl({ environments: [ingress], mode: 'BUFFERED' }));
    const registrations = taking
      .filter(({ channel }) => channel.setup?.register)
      .map(({ channel, settings }) => ({
        step: 'register',
        channel: channel.name,
        url: `${webhook.url}/`,
        settings: settings('setup'),
      }));
    for (const properties of registrations) await setup({ type: 'Create', properties });

    const api = await Promise.all(
      Array.from({ length: API_ENVIRONMENTS }, (_, i) =>
        start(
          `api-${i}`,
          {
            [VARIABLES.bucket]: BUCKET,
            [VARIABLES.apiKeyParameter]: NAMES.apiKey,
            [VARIABLES.modelProvider]: options.modelUrl ? 'anthropic' : 'demo',
            [VARIABLES.maxConcurrency]: String(options.workers ?? 1),
          },
          { timeoutMs: 900_000 },
        ),
      ),
    );
    const port = options.ports?.api;
    const apiUrl = opened(
      await createFunctionUrl({
        environments: api,
        mode: 'RESPONSE_STREAM',
        ...(port === undefined ? {} : { port }),
      }),
    );

    const outgoing = {
      [VARIABLES.deadLetterQueueUrl]: queueUrls.dead,
      ...channelEnvironment(channels, 'outgoing'),
    };
    const stranded = await start('stranded', { ...outgoing, [VARIABLES.queueUrl]: queueUrls.stranded });
    const webhooks = await start('webhooks', {});
    const sweep = await start('sweep', { [VARIABLES.bucket]: BUCKET });
    const sandbox = await openSandbox(options.folder);
    const model: Record<string, string> = options.modelUrl
      ? {
          [VARIABLES.modelProvider]: 'anthropic',
          [VARIABLES.modelKeyParameter]: NAMES.modelKey,
          [VARIABLES.modelBaseUrl]: options.modelUrl,
        }
      : { [VARIABLES.modelProvider]: 'demo' };
    const maxWorkspaceBytes = String(1024 ** 3);
    const shownAt = (path: string) => (sandbox ? '/tmp' : path);

    /** The agents' function, the gateway's, and what the workers are told of the two. */
    const startIsolated = async () => {
      for (const [name, path] of Object.entries(options.tenantFolders ?? {})) {
        copyAgentFiles(path, join(options.image, 'agents', name));
      }
      const agentHosts = createTenantEnvironments({
        folder: join(options.folder, 'agent-hosts'),
        maxEnvironments: MAX_AGENT_HOSTS,
        idleMs: AGENT_HOST_IDLE_MS,
        describe: (writable) => ({
          name: AGENT_HOST,
          folder: options.image,
          handler: 'agent-host.handler',
          timeoutMs: 900_000,
          environment: {
            [VARIABLES.installation]: 'local',
            [VARIABLES.temporary]: shownAt(writable),
            [VARIABLES.maxWorkspaceBytes]: maxWorkspaceBytes,
            [VARIABLES.soleUser]: String(sandbox !== null),
          },
          ...(sandbox ? { walls: { sandbox, writable: { path: writable, shownAs: '/tmp' } } } : {}),
          ...(options.onOutput ? { onOutput: options.onOutput } : {}),
        }),
      });
      opened(agentHosts);
      const functions = { [AGENT_HOST]: agentHosts };
      const iam = roles && keyring ? { iam: { keyring, functionArn: roles.names.functionArn } } : {};
      const lambda = opened(
        await startInvokeServer({ functions, credentials: localAws.credentials, ...iam }),
      );
      const secret = { [VARIABLES.gatewaySecretParameter]: NAMES.gatewaySecret };
      const gateways = await Promise.all(
        Array.from({ length: GATEWAY_ENVIRONMENTS }, (_, i) =>
          start(`gateway-${i}`, { ...model, ...secret }),
        ),
      );
      const gateway = opened(await createFunctionUrl({ environments: gateways, mode: 'RESPONSE_STREAM' }));
      const variables = {
        AWS_ENDPOINT_URL_LAMBDA: lambda.endpoint,
        [VARIABLES.agentHostFunction]: AGENT_HOST,
        [VARIABLES.agentMemoryMb]: '2048',
        [VARIABLES.gatewayUrl]: gateway.url,
        ...secret,
        [VARIABLES.modelProvider]: model[VARIABLES.modelProvider] ?? '',
        ...agentModelVariables({ '': join(options.image, 'agent'), ...options.tenantFolders }),
        [VARIABLES.tenantModels]: JSON.stringify(options.tenantModels ?? []),
        ...(options.signIns && { [VARIABLES.signIns]: 'true' }),
      };
      return { agentHosts, gatewayUrl: gateway.url, variables };
    };
    const isolated = options.agents === 'isolated' ? await startIsolated() : null;

    const startWorker = async (name: string, variables: Readonly<Record<string, string>> = {}) => {
      const folder = join(options.folder, `tmp-${name}`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // A killed worker's agent lives on for a moment, and writes.
      ends.push(() => endProcesses(folder));
      const common = {
        ...outgoing,
        [VARIABLES.bucket]: BUCKET,
        [VARIABLES.temporary]: folder,
        // On Lambda it is what Node takes by itself.
        TMPDIR: folder,
        [VARIABLES.maxWorkspaceBytes]: maxWorkspaceBytes,
        ...(roles ? { [VARIABLES.tenantRole]: roles.tenant.arn } : {}),
      };
      const timeoutMs = options.workerTimeoutMs ?? 900_000;
      if (isolated) {
        const more = { ...common, ...isolated.variables, ...variables };
        return await start(`worker-${name}`, more, { handler: 'isolated-worker.handler', timeoutMs });
      }
      const more = {
        ...common,
        ...model,
        // Without walls the user is whoever started this program.
        [VARIABLES.soleUser]: String(sandbox !== null),
        ...variables,
      };
      return await start(`worker-${name}`, more, {
        folder: options.image,
        timeoutMs,
        ...(sandbox ? { walls: { sandbox, writable: { path: folder, shownAs: folder } } } : {}),
      });
    };
    const temporary: string[] = [];
    const workers: FunctionEnvironment[] = [];
    for (let i = 0; i < (options.workers ?? 1); i++) {
      workers.push(await startWorker(String(i)));
      temporary.push(join(options.folder, `tmp-${i}`));
    }
    for (const [name, environments] of [
      ['turns', workers],
      ['stranded', [stranded]],
      ['webhooks', [webhooks]],
    ] as const) {
      const source: EventSource = startEventSource({
        client: queues,
        queueUrl: queueUrls[name],
        queueArn: `arn:aws:sqs:us-east-1:000000000000:${name}.fifo`,
        environments,
        visibilitySec: VISIBILITY_SEC,
      });
      ends.push(() => source.stop());
    }
    // Turns in hand would hold the pollers up: the functions end first.
    ends.push(async () => {
      await Promise.all([...workers, stranded, webhooks].map((one) => one.stop()));
    });

    return {
      apiUrl: apiUrl.url,
      apiKey: parameters.values.get(NAMES.apiKey) ?? '',
      webhookUrl: `${webhook.url}/telegram`,
      ingressUrl: webhook.url,
      prepare,
      registrations,
      telegram,
      bot,
      workers,
      stranded,
      webhooks,
      sweep,
      sandbox,
      agentHosts: isolated?.agentHosts ?? null,
      gatewayUrl: isolated?.gatewayUrl ?? null,
      temporary,
      apart: startWorker,
      queueUrls,
      sqs,
      s3,
      dynamo,
      tables,
      parameters,
      keyring,
      awsFile,
      credentials,
      setup,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The gate before the tables, and where the keys of a tenant are had. */
async function guard(dynamo: string, roles: InstalledRoles, keyring: Keyring) {
  const { region, credentials } = localAws;
  const { accessKeyId } = credentials;
  const gate = await startDynamoDbGate({ target: dynamo, keyring, names: roles.names, region, accessKeyId });
  const sts = await startSts({ keyring, roles: [roles.tenant], region });
  return {
    parts: [gate, sts],
    dynamo: gate.endpoint,
    variables: { AWS_ENDPOINT_URL_STS: sts.endpoint, [VARIABLES.tenants]: 'true' },
  };
}

async function makeBucket(endpoint: string): Promise<void> {
  const client = new S3Client({ ...localAws, endpoint });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  client.destroy();
}

async function makeQueues(client: SQSClient, maxReceives: number): Promise<Installation['queueUrls']> {
  const make = async (name: string, redrive?: { readonly to: string; readonly after: number }) => {
    const policy = redrive && {
      deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${redrive.to}.fifo`,
      maxReceiveCount: redrive.after,
    };
    const { QueueUrl = '' } = await client.send(
      new CreateQueueCommand({
        QueueName: `${name}.fifo`,
        Attributes: {
          FifoQueue: 'true',
          DeduplicationScope: 'messageGroup',
          FifoThroughputLimit: 'perMessageGroupId',
          VisibilityTimeout: String(VISIBILITY_SEC),
          ...(policy ? { RedrivePolicy: JSON.stringify(policy) } : {}),
        },
      }),
    );
    return QueueUrl;
  };
  const dead = await make('dead');
  const stranded = await make('stranded', { to: 'dead', after: 50 });
  const webhooks = await make('webhooks');
  return { dead, stranded, webhooks, turns: await make('turns', { to: 'stranded', after: maxReceives }) };
}
