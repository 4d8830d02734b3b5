// A whole installation: tables, bucket, queues, functions, alarms. No resource has a fixed name, so that several
// installations fit in one account. No function runs while nobody writes; only alarms, dashboard and storage cost then.
import { Duration, Names, Stack } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { Architecture, type FunctionUrl, FunctionUrlAuthType, InvokeMode } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { asVariables } from '../channels/deployed.ts';
import { CHANNELS } from '../channels/index.ts';
import { locateModules, withOwnChannels } from '../channels/own-channels.ts';
import { ISOLATED_WORKERS, LAMBDA_WORKERS, RETENTION_DAYS } from '../core/defaults.ts';
import { partsOfReference } from '../core/secret-reference.ts';
import { VARIABLES } from '../lambda/variables.ts';
import { loadTriggers, type Trigger } from '../triggers/trigger-file.ts';
import { TRIGGERS_FILE, writtenTriggers } from '../triggers/written-triggers.ts';
import {
  allowInvoke,
  allowObjects,
  allowParameters,
  allowParametersBelow,
  allowReadingHeads,
  allowSend,
  allowTables,
  allowVault,
} from './access.ts';
import { acknowledge } from './acknowledge.ts';
import { commandVariables, offeredCommandsOf } from './agent-commands.ts';
import { agentVariables, machineOf, machineVariables, withAgentImage } from './agent-machine.ts';
import { agentModelVariables, folderTimeZone } from './agent-models.ts';
import { Alarms } from './alarms.ts';
import { type Assets, assetsFrom } from './assets.ts';
import {
  channelEnvironment,
  channelParameters,
  type InstalledChannel,
  installedChannels,
} from './channels.ts';
import { addDashboard } from './dashboard.ts';
import { Data } from './data.ts';
import { type FunctionProps, LoggedFunction } from './functions.ts';
import { IsolatedAgents } from './isolated-agents.ts';
import { allowModel, modelNames, modelVariables } from './model.ts';
import { OWN_CHANNELS_FILE } from './own-channels.ts';
import { DEFAULT_AGENTS, type HybridSessionsProps, type TenantsProps } from './props.ts';
import { Queues } from './queues.ts';
import { Setup } from './setup.ts';
import { TenantRole } from './tenant-role.ts';
import { Timers } from './timers.ts';
import { serverListsIn } from './tool-servers.ts';
import { Webhooks } from './webhooks.ts';

/** A webhook answers at once; a longer call is broken. */
const INGRESS_TIMEOUT = Duration.seconds(15);
/** A stream lasts as long as the turn it shows. */
const API_TIMEOUT = Duration.minutes(15);
const STRANDED_TIMEOUT = Duration.seconds(60);
/** What one round does not finish is left to the next day's round. */
const SWEEP_TIMEOUT = Duration.minutes(15);
const MAX_WORKER_TIMEOUT = Duration.minutes(15);

/** It waits for the host's words, and holds nothing of a session but the tables of its packs. */
const ISOLATED_WORKER_MB = 256;

export class HybridSessions extends Construct {
  readonly data: Data;
  readonly queues: Queues;
  readonly timers: Timers;
  readonly alarms: Alarms;
  readonly worker: LoggedFunction;
  /** Where the API and the web page are; undefined without them. */
  readonly apiUrl: FunctionUrl | undefined;
  /** Where chat platforms send messages, each to `/<channel>` below it; undefined without such a channel. */
  readonly webhookUrl: FunctionUrl | undefined;
  /** Parameter that holds the key of the API; undefined without an API. */
  readonly apiKeyParameter: string | undefined;

  private readonly common: Pick<FunctionProps, 'architecture' | 'logRetention'>;
  private readonly variables: Record<string, string>;
  private readonly timeZone: Record<string, string>;
  private readonly tenants: TenantsProps | undefined;
  private tenantRole: TenantRole | undefined;
  private readonly channels: readonly InstalledChannel[];
  private readonly assets: Assets;
  private readonly installation: string;
  /** What the names of parameters with credentials of tools begin with. */
  readonly vault: string;
  /** What sends webhooks; null without an API, with which they are made. */
  readonly webhooks: Webhooks | null;
  /** null when agents run in the worker's own function. */
  readonly isolated: IsolatedAgents | null;

  constructor(scope: Construct, id: string, props: HybridSessionsProps) {
    super(scope, id);
    const workerTimeout = props.worker?.timeout ?? MAX_WORKER_TIMEOUT;
    if (workerTimeout.toSeconds() > MAX_WORKER_TIMEOUT.toSeconds() || workerTimeout.toSeconds() < 120) {
      throw new Error('worker.timeout must be between 2 and 15 minutes.');
    }
    const architecture = props.architecture ?? Architecture.ARM_64;
    this.common = { architecture, logRetention: props.logRetention ?? RetentionDays.ONE_MONTH };
    this.installation = Names.uniqueResourceName(this, { maxLength: 60, separator: '-' });
    const channelModules = locateModules(props.channelModules ?? [], process.cwd());
    this.assets = assetsFrom({
      channelModules,
      folder: props.assets,
      agentFolder: props.agentFolder,
      tenantFolders: props.tenants?.agentFolders,
      hasOwnImage: props.worker?.image !== undefined,
      architecture,
    });
    // A fault in a folder's mcp.json stops the deployment, wherever agents run.
    const isIsolated = (props.agents ?? DEFAULT_AGENTS) === 'isolated';
    const toolServers = serverListsIn(this.assets.agentFolders, { pages: isIsolated });
    this.data = new Data(this, 'Data', {
      ownKey: props.ownKey ?? false,
      versionedBucket: props.versionedBucket ?? false,
      deleteWithStack: props.deleteDataWithStack ?? false,
    });
    this.queues = new Queues(this, 'Queues', { workerTimeout, strandedTimeout: STRANDED_TIMEOUT });
    this.timers = new Timers(this, 'Timers', { queue: this.queues.turns });
    this.timeZone = { [VARIABLES.timeZone]: folderTimeZone(this.assets.agentFolders['']) };
    this.variables = {
      [VARIABLES.installation]: this.installation,
      [VARIABLES.mappingTable]: this.data.mapping.tableName,
      [VARIABLES.stateTable]: this.data.state.tableName,
      [VARIABLES.queueUrl]: this.queues.turns.queueUrl,
      [VARIABLES.retentionDays]: String((props.retention ?? Duration.days(RETENTION_DAYS)).toDays()),
      ...(props.tenants && { [VARIABLES.tenants]: 'true' }),
      ...(channelModules.length > 0 && { [VARIABLES.ownChannels]: OWN_CHANNELS_FILE }),
    };
    this.tenants = props.tenants;
    const secretName = (name: string) =>
      `/hybrid-sessions/${Stack.of(this).stackName}/${this.node.addr}/${name}`;
    this.vault = secretName('vault');
    const known = withOwnChannels(props.channels ?? CHANNELS, channelModules);
    this.channels = installedChannels(known, { ...props }, secretName);
    const webhookChannels = this.channels.filter(({ channel }) => channel.webhook);
    this.apiKeyParameter = (props.http ?? true) ? secretName('api-key') : undefined;

    this.webhooks = this.apiKeyParameter
      ? new Webhooks(this, 'Webhooks', {
          ...this.common,
          installation: this.installation,
          settings: props.webhooks,
          assets: this.assets,
          data: this.data,
        })
      : null;
    this.isolated = isIsolated
      ? new IsolatedAgents(this, 'Isolated', {
          ...this.common,
          installation: this.installation,
          machine: props.worker ?? {},
          timeout: workerTimeout,
          model: props.model,
          secretParameter: secretName('gateway-secret'),
          vault: this.vault,
          hasTenants: props.tenants !== undefined,
          toolServers,
          assets: this.assets,
          data: this.data,
        })
      : null;
    this.worker = this.addWorker(props, workerTimeout);
    const functions: Record<string, LoggedFunction> = {
      Worker: this.worker,
      ...(this.isolated ? { AgentHost: this.isolated.host, Gateway: this.isolated.gateway } : {}),
      Stranded: this.addStranded(),
      ...(this.webhooks ? { Webhooks: this.webhooks.sender } : {}),
      Sweep: this.addSweep(),
    };
    const setup = this.addSetup();
    if (webhookChannels.length > 0 || props.tenants) {
      functions.Ingress = this.addIngress(webhookChannels, setup, props);
      this.webhookUrl = functions.Ingress.lambda.addFunctionUrl({
        authType: FunctionUrlAuthType.NONE,
        invokeMode: InvokeMode.BUFFERED,
      });
      for (const { channel, settings } of webhookChannels) {
        if (!channel.setup?.register) continue;
        const commands = offeredCommandsOf(this.assets.agentFolders);
        setup?.register(channel.name, this.webhookUrl.url, settings('setup'), commands);
      }
    }
    if (this.apiKeyParameter) {
      functions.Api = this.addApi(props, this.apiKeyParameter);
      this.apiUrl = functions.Api.lambda.addFunctionUrl({
        authType: FunctionUrlAuthType.NONE,
        invokeMode: InvokeMode.RESPONSE_STREAM,
      });
    }

    this.alarms = new Alarms(this, 'Alarms', {
      email: props.alarmEmail,
      installation: this.installation,
      queues: this.queues,
      workerTimeout,
      functions,
    });
    if (props.dashboard ?? true) {
      const { queues, alarms, installation } = this;
      addDashboard(this, { installation, queues, alarms, functions });
    }
  }

  /** Adds the function that takes turns from the queue. What it needs beside that depends on where agents run. */
  private addWorker(props: HybridSessionsProps, timeout: Duration): LoggedFunction {
    const { queues, data } = this;
    const common = {
      ...this.common,
      timeout,
      mayLoop: true,
      description: 'Runs turns: takes messages from the queue, has the agent run, saves, answers.',
    };
    const environment = {
      ...this.variables,
      [VARIABLES.bucket]: data.bucket.bucketName,
      [VARIABLES.deadLetterQueueUrl]: queues.dead.queueUrl,
      ...this.timers.variables,
      ...this.timeZone,
      ...this.announcing(),
      ...channelEnvironment(this.channels, 'outgoing'),
      ...machineVariables(props.worker ?? {}),
      ...commandVariables(this.assets.agentFolders),
      ...(props.budgets ? { [VARIABLES.budgets]: JSON.stringify(props.budgets) } : {}),
      ...(props.tenants?.models ? { [VARIABLES.tenantModels]: JSON.stringify(props.tenants.models) } : {}),
    };
    const worker = this.isolated
      ? new LoggedFunction(this, 'IsolatedWorker', {
          ...common,
          code: this.assets.functions,
          handler: 'isolated-worker.handler',
          memoryMb: ISOLATED_WORKER_MB,
          environment: {
            ...environment,
            [VARIABLES.agentHostFunction]: this.isolated.host.lambda.functionName,
            [VARIABLES.gatewayUrl]: this.isolated.gatewayUrl.url,
            [VARIABLES.gatewaySecretParameter]: this.isolated.secretParameter,
            ...(this.isolated.hasSignIns && { [VARIABLES.signIns]: 'true' }),
            ...modelNames(props.model),
            ...agentVariables(props.worker ?? {}),
            ...agentModelVariables(this.assets.agentFolders),
          },
        })
      : withAgentImage(this, this.assets, props.worker?.image, 'worker.handler', (image) => {
          const keepSession = String(props.worker?.keepSession ?? true);
          return new LoggedFunction(this, 'Worker', {
            ...common,
            ...machineOf(props.worker ?? {}, image),
            environment: {
              ...environment,
              [VARIABLES.keepSession]: keepSession,
              [VARIABLES.soleUser]: 'true',
              [VARIABLES.vault]: this.vault,
              ...modelVariables(props.model),
            },
          });
        });
    // One turn at a time: a turn takes minutes, and a second one of the batch would wait for the first.
    feed(worker, queues.turns, maxConcurrencyOf(props));
    allowSend(worker.role, queues.turns);
    allowSend(worker.role, queues.dead);
    this.timers.allowSetting(worker.role);
    if (this.webhooks) allowSend(worker.role, this.webhooks.queue);
    if (this.tenants) {
      this.tenantRole = new TenantRole(this, 'TenantRole', { data, worker: worker.role });
      worker.lambda.addEnvironment(VARIABLES.tenantRole, this.tenantRole.role.roleArn);
      allowParametersBelow(worker.role, `${this.tenants.parameterPrefix}/bots`);
    } else {
      allowTables(worker.role, data);
      allowObjects(worker.role, data, ['Get', 'Put', 'Delete']);
    }
    const parameters = channelParameters(this.channels, 'outgoing');
    if (this.isolated) {
      allowInvoke(worker.role, this.isolated.host.lambda);
      allowParameters(worker.role, [...parameters, this.isolated.secretParameter]);
    } else {
      allowModel(worker.role, props.model, parameters);
      allowVault(worker.role, this.vault, this.tenants !== undefined);
    }
    return worker;
  }

  private announcing(): Record<string, string> {
    return this.webhooks ? { [VARIABLES.webhookQueueUrl]: this.webhooks.queue.queueUrl } : {};
  }

  /** Adds the function that tells users about turns which no worker could run. It needs neither image nor agent. */
  private addStranded(): LoggedFunction {
    const { queues, data } = this;
    const stranded = new LoggedFunction(this, 'StrandedTurns', {
      ...this.common,
      description: 'Gives up turns that no worker could take on, and says so in their chats.',
      code: this.assets.functions,
      handler: 'stranded.handler',
      memoryMb: 256,
      timeout: STRANDED_TIMEOUT,
      environment: {
        ...this.variables,
        [VARIABLES.queueUrl]: queues.stranded.queueUrl,
        [VARIABLES.deadLetterQueueUrl]: queues.dead.queueUrl,
        ...this.announcing(),
        ...channelEnvironment(this.channels, 'outgoing'),
      },
    });
    feed(stranded, queues.stranded, 2);
    allowSend(stranded.role, queues.dead);
    if (this.webhooks) allowSend(stranded.role, this.webhooks.queue);
    allowTables(stranded.role, data);
    allowParameters(stranded.role, channelParameters(this.channels, 'outgoing'));
    if (this.tenants) allowParametersBelow(stranded.role, `${this.tenants.parameterPrefix}/bots`);
    return stranded;
  }

  /** Adds the function that removes expired sessions once a day. */
  private addSweep(): LoggedFunction {
    const sweep = new LoggedFunction(this, 'SweepExpired', {
      ...this.common,
      description: 'Removes sessions whose retention is over; rings timers again that came to nothing.',
      code: this.assets.functions,
      handler: 'sweep.handler',
      memoryMb: 512,
      timeout: SWEEP_TIMEOUT,
      environment: {
        [VARIABLES.installation]: this.installation,
        [VARIABLES.mappingTable]: this.data.mapping.tableName,
        [VARIABLES.stateTable]: this.data.state.tableName,
        [VARIABLES.bucket]: this.data.bucket.bucketName,
        ...this.timers.variables,
      },
    });
    this.timers.allowRinging(sweep.role);
    allowTables(sweep.role, this.data);
    allowReadingHeads(sweep.role, this.data);
    allowObjects(sweep.role, this.data, ['Delete']);
    // The next day's round repeats what failed, and the alarm reports the failure at once.
    const target = new LambdaTarget(sweep.lambda, { retryAttempts: 2 });
    const daily = new Rule(this, 'Daily', {
      description: 'Removes sessions whose retention is over.',
      schedule: Schedule.rate(Duration.days(1)),
      targets: [target],
    });
    acknowledge(daily, 'Serverless-EventBusDLQ', "A lost event is made up for by the next day's.");
    return sweep;
  }

  /** null when there is no secret to generate and no channel with a setup step. */
  private addSetup(): Setup | null {
    const made = this.channels.flatMap((one) => one.generatedSecrets);
    const secrets = [
      ...made,
      ...(this.apiKeyParameter ? [this.apiKeyParameter] : []),
      ...(this.isolated ? [this.isolated.secretParameter] : []),
    ];
    const channelsWithSetup = this.channels.filter(({ channel }) => channel.setup);
    if (secrets.length === 0 && channelsWithSetup.length === 0) return null;
    const known = new Set(secrets);
    return new Setup(this, 'Setup', {
      ...this.common,
      code: this.assets.functions,
      secrets,
      parameters: channelParameters(channelsWithSetup, 'setup').filter((name) => !known.has(name)),
      identify: Object.fromEntries(
        channelsWithSetup
          .filter(({ channel }) => channel.identity)
          .map(({ channel, settings }) => [channel.name, settings('setup')]),
      ),
    });
  }

  private addIngress(
    webhookChannels: readonly InstalledChannel[],
    setup: Setup | null,
    props: HybridSessionsProps,
  ): LoggedFunction {
    const identities = webhookChannels.map(({ channel }) => {
      const facts = channel.identity?.map((fact) => [fact, setup?.identity(channel.name, fact) ?? '']);
      return asVariables(channel, Object.fromEntries(facts ?? []));
    });
    const parameters = channelParameters(webhookChannels, 'webhook');
    const ingress = new LoggedFunction(this, 'Ingress', {
      ...this.common,
      description: 'Takes webhooks: checks the caller, writes the turn down, queues it.',
      code: this.assets.functions,
      handler: 'ingress.handler',
      memoryMb: 512,
      timeout: INGRESS_TIMEOUT,
      ...(props.ingress?.reservedConcurrency === undefined
        ? {}
        : { reservedConcurrency: props.ingress.reservedConcurrency }),
      environment: {
        ...this.variables,
        ...channelEnvironment(webhookChannels, 'webhook'),
        ...Object.assign({}, ...identities),
        ...limitVariables(props),
        ...commandVariables(this.assets.agentFolders),
      },
    });
    allowTables(ingress.role, this.data);
    allowSend(ingress.role, this.queues.turns);
    allowParameters(ingress.role, parameters);
    if (this.tenants) allowParametersBelow(ingress.role, `${this.tenants.parameterPrefix}/webhooks`);
    return ingress;
  }

  private addApi(props: HybridSessionsProps, apiKey: string): LoggedFunction {
    const triggers = loadTriggersOf(this.assets.agentFolders);
    const api = new LoggedFunction(this, 'Api', {
      ...this.common,
      description: 'The HTTP API and the web page; streams the events of turns that run in the worker.',
      code:
        triggers.length > 0
          ? this.assets.functionsWith(TRIGGERS_FILE, writtenTriggers(triggers))
          : this.assets.functions,
      handler: 'api.handler',
      memoryMb: 256,
      timeout: API_TIMEOUT,
      environment: {
        ...this.variables,
        [VARIABLES.bucket]: this.data.bucket.bucketName,
        ...this.timers.variables,
        ...this.timeZone,
        [VARIABLES.apiKeyParameter]: apiKey,
        [VARIABLES.maxConcurrency]: String(maxConcurrencyOf(props)),
        ...modelNames(props.model),
        ...limitVariables(props),
        ...this.announcing(),
        ...(props.webhooks && { [VARIABLES.webhooks]: JSON.stringify(props.webhooks) }),
        ...(props.browsers && { [VARIABLES.browsers]: JSON.stringify(props.browsers) }),
      },
    });
    allowTables(api.role, this.data);
    allowSend(api.role, this.queues.turns);
    this.timers.allowSetting(api.role);
    if (this.webhooks) allowSend(api.role, this.webhooks.queue);
    allowObjects(api.role, this.data, ['Get', 'Put', 'Delete']);
    this.data.openToBrowsers();
    if (this.tenantRole) {
      this.tenantRole.allow(api.role);
      api.lambda.addEnvironment(VARIABLES.tenantRole, this.tenantRole.role.roleArn);
    }
    const secrets = triggers.flatMap((one) => parametersOf(`triggers/${one.name}.md: secret`, one.secrets));
    allowParameters(api.role, [...new Set([apiKey, ...tokenParameters(props.browsers), ...secrets])]);
    if (this.tenants) allowParametersBelow(api.role, `${this.tenants.parameterPrefix}/api`);
    return api;
  }
}

function maxConcurrencyOf({ worker, agents }: HybridSessionsProps): number {
  const isIsolated = (agents ?? DEFAULT_AGENTS) === 'isolated';
  return worker?.maxConcurrency ?? (isIsolated ? ISOLATED_WORKERS : LAMBDA_WORKERS);
}

/** A function reads parameters only: a secret that is elsewhere is not there when the first token comes. */
function tokenParameters(browsers: HybridSessionsProps['browsers']): readonly string[] {
  return parametersOf('browsers.users.secrets', browsers?.users?.secrets ?? []);
}

function parametersOf(where: string, references: readonly string[]): readonly string[] {
  return references.map((reference) => {
    const parts = partsOfReference(reference);
    if (parts?.source === 'ssm' && parts.name.startsWith('/')) return parts.name;
    throw new Error(`${where}: name parameters, such as "ssm:/my-app/token-secret".`);
  });
}

/** Of the installation's own agent folder. */
function loadTriggersOf(folders: Assets['agentFolders']): readonly Trigger[] {
  const own = folders[''];
  return own === undefined ? [] : loadTriggers(own);
}

/** What is said of messages that come in. */
function limitVariables({ limits, whileRunning }: HybridSessionsProps): Record<string, string> {
  return {
    ...(limits && { [VARIABLES.limits]: JSON.stringify(limits) }),
    ...(whileRunning && { [VARIABLES.whileRunning]: JSON.stringify(whileRunning) }),
  };
}

function feed(target: LoggedFunction, queue: Queue, maxConcurrency: number): void {
  target.lambda.addEventSource(
    new SqsEventSource(queue, { batchSize: 1, reportBatchItemFailures: true, maxConcurrency }),
  );
  acknowledge(
    target.lambda,
    'Serverless-LambdaEventSourceMappingDestination',
    'Mappings of SQS have no destination for failures: the queue itself has one.',
  );
}
