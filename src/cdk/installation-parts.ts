// What an installation's functions are made of, and what several of them are told alike.
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { ISOLATED_WORKERS, LAMBDA_WORKERS } from '../core/defaults.ts';
import { partsOfReference } from '../core/secret-reference.ts';
import { VARIABLES } from '../lambda/variables.ts';
import { acknowledge } from './acknowledge.ts';
import type { Assets } from './assets.ts';
import type { InstalledChannel } from './channels.ts';
import type { Data } from './data.ts';
import type { FunctionProps, LoggedFunction } from './functions.ts';
import type { IsolatedAgents } from './isolated-agents.ts';
import { DEFAULT_AGENTS, type HybridSessionsProps, type TenantsProps } from './props.ts';
import type { Queues } from './queues.ts';
import type { Timers } from './timers.ts';
import type { Webhooks } from './webhooks.ts';

export interface InstallationParts {
  /** The construct that the functions are added to. */
  readonly scope: Construct;
  readonly common: Pick<FunctionProps, 'architecture' | 'logRetention'>;
  readonly installation: string;
  /** Of every function that touches a session. */
  readonly variables: Readonly<Record<string, string>>;
  readonly timeZone: Readonly<Record<string, string>>;
  readonly assets: Assets;
  readonly channels: readonly InstalledChannel[];
  readonly data: Data;
  readonly queues: Queues;
  readonly timers: Timers;
  readonly tenants: TenantsProps | undefined;
  /** What the names of parameters with credentials of tools begin with. */
  readonly vault: string;
  readonly webhooks: Webhooks | null;
  readonly isolated: IsolatedAgents | null;
}

export function announcing({ webhooks }: InstallationParts): Record<string, string> {
  return webhooks ? { [VARIABLES.webhookQueueUrl]: webhooks.queue.queueUrl } : {};
}

export function maxConcurrencyOf({ worker, agents }: HybridSessionsProps): number {
  const isIsolated = (agents ?? DEFAULT_AGENTS) === 'isolated';
  return worker?.maxConcurrency ?? (isIsolated ? ISOLATED_WORKERS : LAMBDA_WORKERS);
}

export function parametersOf(where: string, references: readonly string[]): readonly string[] {
  return references.map((reference) => {
    const parts = partsOfReference(reference);
    if (parts?.source === 'ssm' && parts.name.startsWith('/')) return parts.name;
    throw new Error(`${where}: name parameters, such as "ssm:/my-app/token-secret".`);
  });
}

/** What is said of messages that come in. */
export function limitVariables({ limits, whileRunning }: HybridSessionsProps): Record<string, string> {
  return {
    ...(limits && { [VARIABLES.limits]: JSON.stringify(limits) }),
    ...(whileRunning && { [VARIABLES.whileRunning]: JSON.stringify(whileRunning) }),
  };
}

export function feed(target: LoggedFunction, queue: Queue, maxConcurrency: number): void {
  target.lambda.addEventSource(
    new SqsEventSource(queue, { batchSize: 1, reportBatchItemFailures: true, maxConcurrency }),
  );
  acknowledge(
    target.lambda,
    'Serverless-LambdaEventSourceMappingDestination',
    'Mappings of SQS have no destination for failures: the queue itself has one.',
  );
}
