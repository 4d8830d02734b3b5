// A whole installation: tables, bucket, queues, functions, alarms. No resource has a fixed name, so that several
// installations fit in one account. No function runs while nobody writes; only alarms, dashboard and storage cost then.
import { Duration, Names, Stack } from 'aws-cdk-lib';
import { Architecture, type FunctionUrl, FunctionUrlAuthType, InvokeMode } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { CHANNELS } from '../channels/index.ts';
import { locateModules, withOwnChannels } from '../channels/own-channels.ts';
import { RETENTION_DAYS } from '../core/defaults.ts';
import { VARIABLES } from '../lambda/variables.ts';
import { offeredCommandsOf } from './agent-commands.ts';
import { folderTimeZone } from './agent-models.ts';
import { Alarms } from './alarms.ts';
import { assetsFrom } from './assets.ts';
import { installedChannels } from './channels.ts';
import { addDashboard } from './dashboard.ts';
import { Data } from './data.ts';
import type { LoggedFunction } from './functions.ts';
import { addApi, addIngress } from './inlet-functions.ts';
import type { InstallationParts } from './installation-parts.ts';
import { IsolatedAgents } from './isolated-agents.ts';
import { OWN_CHANNELS_FILE } from './own-channels.ts';
import { DEFAULT_AGENTS, type HybridSessionsProps } from './props.ts';
import { Queues } from './queues.ts';
import { Timers } from './timers.ts';
import { serverListsIn } from './tool-servers.ts';
import { addSetup, addStranded, addSweep, STRANDED_TIMEOUT } from './upkeep-functions.ts';
import { Webhooks } from './webhooks.ts';
import { addWorker } from './worker-function.ts';

const MAX_WORKER_TIMEOUT = Duration.minutes(15);

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
    const common = { architecture, logRetention: props.logRetention ?? RetentionDays.ONE_MONTH };
    const installation = Names.uniqueResourceName(this, { maxLength: 60, separator: '-' });
    const channelModules = locateModules(props.channelModules ?? [], process.cwd());
    const assets = assetsFrom({
      channelModules,
      folder: props.assets,
      agentFolder: props.agentFolder,
      tenantFolders: props.tenants?.agentFolders,
      hasOwnImage: props.worker?.image !== undefined,
      architecture,
    });
    // A fault in a folder's mcp.json stops the deployment, wherever agents run.
    const isIsolated = (props.agents ?? DEFAULT_AGENTS) === 'isolated';
    const toolServers = serverListsIn(assets.agentFolders, { pages: isIsolated });
    this.data = new Data(this, 'Data', {
      ownKey: props.ownKey ?? false,
      versionedBucket: props.versionedBucket ?? false,
      deleteWithStack: props.deleteDataWithStack ?? false,
    });
    this.queues = new Queues(this, 'Queues', { workerTimeout, strandedTimeout: STRANDED_TIMEOUT });
    this.timers = new Timers(this, 'Timers', { queue: this.queues.turns });
    const timeZone = { [VARIABLES.timeZone]: folderTimeZone(assets.agentFolders['']) };
    const variables = {
      [VARIABLES.installation]: installation,
      [VARIABLES.mappingTable]: this.data.mapping.tableName,
      [VARIABLES.stateTable]: this.data.state.tableName,
      [VARIABLES.queueUrl]: this.queues.turns.queueUrl,
      [VARIABLES.retentionDays]: String((props.retention ?? Duration.days(RETENTION_DAYS)).toDays()),
      ...(props.tenants && { [VARIABLES.tenants]: 'true' }),
      ...(channelModules.length > 0 && { [VARIABLES.ownChannels]: OWN_CHANNELS_FILE }),
    };
    const secretName = (name: string) =>
      `/hybrid-sessions/${Stack.of(this).stackName}/${this.node.addr}/${name}`;
    this.vault = secretName('vault');
    const known = withOwnChannels(props.channels ?? CHANNELS, channelModules);
    const channels = installedChannels(known, { ...props }, secretName);
    const webhookChannels = channels.filter(({ channel }) => channel.webhook);
    this.apiKeyParameter = (props.http ?? true) ? secretName('api-key') : undefined;

    this.webhooks = this.apiKeyParameter
      ? new Webhooks(this, 'Webhooks', {
          ...common,
          installation,
          settings: props.webhooks,
          assets,
          data: this.data,
        })
      : null;
    this.isolated = isIsolated
      ? new IsolatedAgents(this, 'Isolated', {
          ...common,
          installation,
          machine: props.worker ?? {},
          timeout: workerTimeout,
          model: props.model,
          secretParameter: secretName('gateway-secret'),
          vault: this.vault,
          hasTenants: props.tenants !== undefined,
          toolServers,
          assets,
          data: this.data,
        })
      : null;
    const parts: InstallationParts = {
      ...{ scope: this, common, installation, variables, timeZone, assets, channels },
      ...{ data: this.data, queues: this.queues, timers: this.timers, vault: this.vault },
      ...{ webhooks: this.webhooks, isolated: this.isolated, tenants: props.tenants },
    };
    const { worker, tenantRole } = addWorker(parts, props, workerTimeout);
    this.worker = worker;
    const functions: Record<string, LoggedFunction> = {
      Worker: worker,
      ...(this.isolated ? { AgentHost: this.isolated.host, Gateway: this.isolated.gateway } : {}),
      Stranded: addStranded(parts),
      ...(this.webhooks ? { Webhooks: this.webhooks.sender } : {}),
      Sweep: addSweep(parts),
    };
    const setup = addSetup(parts, this.apiKeyParameter);
    if (webhookChannels.length > 0 || props.tenants) {
      functions.Ingress = addIngress(parts, webhookChannels, setup, props);
      this.webhookUrl = functions.Ingress.lambda.addFunctionUrl({
        authType: FunctionUrlAuthType.NONE,
        invokeMode: InvokeMode.BUFFERED,
      });
      for (const { channel, settings } of webhookChannels) {
        if (!channel.setup?.register) continue;
        const commands = offeredCommandsOf(assets.agentFolders);
        setup?.register(channel.name, this.webhookUrl.url, settings('setup'), commands);
      }
    }
    if (this.apiKeyParameter) {
      functions.Api = addApi(parts, props, this.apiKeyParameter, tenantRole);
      this.apiUrl = functions.Api.lambda.addFunctionUrl({
        authType: FunctionUrlAuthType.NONE,
        invokeMode: InvokeMode.RESPONSE_STREAM,
      });
    }

    this.alarms = new Alarms(this, 'Alarms', {
      email: props.alarmEmail,
      installation,
      queues: this.queues,
      workerTimeout,
      functions,
    });
    if (props.dashboard ?? true) {
      const { queues, alarms } = this;
      addDashboard(this, { installation, queues, alarms, functions });
    }
  }
}
