// The construct's props. All have a default except the model and the address that alarms go to.
import type { Duration } from 'aws-cdk-lib';
import type { Architecture, DockerImageCode } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { ChannelProps } from '../channels/deployed.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import type { CHANNELS } from '../channels/index.ts';
import type { BrowserAccessSettings } from '../core/browser-access.ts';
import type { MessageLimitSettings } from '../core/tenants.ts';
import type { WebhookSettings } from '../core/webhooks.ts';
import type { WhileRunningSettings } from '../core/while-running.ts';
import type { Budgets } from '../gateway/budgets.ts';

/** Where answers come from. Keys lie in SSM Parameter Store as SecureString; only their names are given here. */
export type ModelProps =
  | {
      readonly provider: 'anthropic';
      /** Parameter that holds the key of the Claude API, e.g. `/hybrid-sessions/anthropic-key`. */
      readonly keyParameter: string;
      readonly model?: string;
      /** A compatible endpoint instead of api.anthropic.com. */
      readonly baseUrl?: string;
    }
  /** Claude on Amazon Bedrock, in the installation's region, signed with the worker's own role. No key is kept. */
  | {
      readonly provider: 'bedrock';
      /** A model's id, an inference profile's id or its ARN, e.g. `eu.anthropic.claude-sonnet-5`. */
      readonly model: string;
    }
  /** The demo model answers from a script, and says so. It shows that everything else works. */
  | { readonly provider: 'demo' };

/** Of what runs the agents: the worker itself (`shared`), or their own function (`isolated`). */
export interface WorkerProps {
  /** 1,769 MB is one whole CPU. @default 2048 */
  readonly memoryMb?: number;
  /** @default 15 minutes, the longest there is */
  readonly timeout?: Duration;
  /** Size of /tmp, where a session is laid out while its turn runs. @default 2048 */
  readonly ephemeralStorageMb?: number;
  /** Turns that may run at once; at least 2. @default LAMBDA_WORKERS or ISOLATED_WORKERS of src/core/defaults.ts */
  readonly maxConcurrency?: number;
  /**
   * The files of a session stay in /tmp between its turns, and its next turn on the same worker reads nothing from S3
   * if nothing changed meanwhile. False: /tmp is empty after every turn. Only `shared`. @default true
   */
  readonly keepSession?: boolean;
  /**
   * For how long a session's agent may stay alive, frozen with its function, for the next message; 0: it ends with its turn.
   * Costs nothing while it waits. Only `isolated`. @default 15
   */
  readonly hotIdleMinutes?: number;
  /** An image built elsewhere; its command is `worker.handler` or, isolated, `agent-host.handler`. @default built from this package by Docker at deployment */
  readonly image?: DockerImageCode;
}

export interface TenantsProps {
  /**
   * Where parameters with secrets of tenants' bots may be. Workers read those below `<prefix>/bots/`, the function that takes
   * webhooks those below `<prefix>/webhooks/`, the HTTP API those below `<prefix>/api/`.
   */
  readonly parameterPrefix: string;
  /** Below it the agent folders that tenants may be given, by their names. @default none */
  readonly agentFolders?: string;
  /** Models that tenants may be given, besides those that the installation uses itself. @default none */
  readonly models?: readonly string[];
}

/** Whoever may write is a stranger, unless the owner says otherwise. */
export const DEFAULT_AGENTS: 'isolated' | 'shared' = 'isolated';

export interface IngressProps {
  /**
   * Executions that no other function takes from the webhooks, and their limit. AWS refuses it in an account whose own
   * limit would leave less than 100 (a new one: 10) for the rest. @default none
   */
  readonly reservedConcurrency?: number;
}

/** Each channel by its name: names of parameters that hold its secrets (`...Parameter`), and its configuration. */
export interface HybridSessionsProps extends ChannelProps<typeof CHANNELS> {
  readonly model: ModelProps;
  /** What turns may spend, as in `budgets` of docs/configuration.md. @default no limit */
  readonly budgets?: Budgets;
  /** How many messages are taken in and how much is kept, as in `limits` of docs/configuration.md. @default no limit */
  readonly limits?: MessageLimitSettings;
  /**
   * Which pages and people may call the HTTP API, as in `browsers` of docs/configuration.md. Secrets are parameters (`ssm:/...`).
   * @default none
   */
  readonly browsers?: BrowserAccessSettings;
  /** Where webhooks may be sent to, as in `webhooks` of docs/configuration.md. @default https on the internet */
  readonly webhooks?: Partial<WebhookSettings>;
  /** What a message does to a turn that runs, as in `whileRunning` of docs/configuration.md. @default it waits */
  readonly whileRunning?: WhileRunningSettings;
  /** The e-mail address that alarms are sent to. Its owner has to confirm once. */
  readonly alarmEmail: string;
  /**
   * `shared`: agents run in the worker's own function, with its rights beside them: only where everyone who may write is
   * trusted. `isolated`: each session in a virtual machine of its own, without rights; some seconds and a little money
   * more per turn. See docs/deploy-aws.md. @default isolated
   */
  readonly agents?: 'isolated' | 'shared';
  /**
   * Modules with channels of your own (docs/channels.md): paths from the app's working directory, or packages. They are bundled into the
   * functions and the image, with the `esbuild` that is installed there. @default none
   */
  readonly channelModules?: readonly string[];
  /** For an app whose `assets` know other channels than this package. @default those of this package */
  readonly channels?: readonly ChannelDescriptor[];
  /** The HTTP API and the web page, behind a generated key. @default true */
  readonly http?: boolean;
  /**
   * The agent folder (docs/agent-folder.md). With an image of your own it says which models isolated agents may call.
   * @default the example agent of this package
   */
  readonly agentFolder?: string;
  /**
   * Several tenants: bots and limits come from the registry (docs/tenants.md), and each turn has credentials that open
   * its own tenant only. @default one tenant, no registry
   */
  readonly tenants?: TenantsProps;
  /** Of all functions. @default arm64 */
  readonly architecture?: Architecture;
  readonly worker?: WorkerProps;
  readonly ingress?: IngressProps;
  /** A conversation that is unused for so many days is removed. @default RETENTION_DAYS of src/core/defaults.ts */
  readonly retention?: Duration;
  /** @default one month */
  readonly logRetention?: RetentionDays;
  /** Keeps overwritten and deleted objects for a week. Objects are never overwritten by design. @default false */
  readonly versionedBucket?: boolean;
  /**
   * Encrypts tables and bucket with a KMS key of this installation instead of keys of AWS. Whoever deletes the key has
   * deleted all sessions. The stack has to name its
   * region. Set it before the first deployment: objects that are there already keep their keys. @default false
   */
  readonly ownKey?: boolean;
  /** Deletes tables and bucket with the stack. @default false: they stay */
  readonly deleteDataWithStack?: boolean;
  /** @default true */
  readonly dashboard?: boolean;
  /** Folder with the built functions and the image's files. @default the one inside this package */
  readonly assets?: string;
}
