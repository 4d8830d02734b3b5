// The function that takes turns from the queue.
import type { Duration } from 'aws-cdk-lib';
import { VARIABLES } from '../lambda/variables.ts';
import {
  allowInvoke,
  allowObjects,
  allowParameters,
  allowParametersBelow,
  allowSend,
  allowTables,
  allowVault,
} from './access.ts';
import { commandVariables } from './agent-commands.ts';
import { agentVariables, machineOf, machineVariables, withAgentImage } from './agent-machine.ts';
import { agentModelVariables } from './agent-models.ts';
import { channelEnvironment, channelParameters } from './channels.ts';
import { LoggedFunction } from './functions.ts';
import { announcing, feed, type InstallationParts, maxConcurrencyOf } from './installation-parts.ts';
import { allowModel, modelNames, modelVariables } from './model.ts';
import type { HybridSessionsProps } from './props.ts';
import { TenantRole } from './tenant-role.ts';

/** It waits for the host's words, and holds nothing of a session but the tables of its packs. */
const ISOLATED_WORKER_MB = 256;

export interface AddedWorker {
  readonly worker: LoggedFunction;
  /** null without tenants. */
  readonly tenantRole: TenantRole | null;
}

/** Adds the function that takes turns from the queue. What it needs beside that depends on where agents run. */
export function addWorker(
  parts: InstallationParts,
  props: HybridSessionsProps,
  timeout: Duration,
): AddedWorker {
  const { scope, queues, data } = parts;
  const common = {
    ...parts.common,
    timeout,
    mayLoop: true,
    description: 'Runs turns: takes messages from the queue, has the agent run, saves, answers.',
  };
  const environment = {
    ...parts.variables,
    [VARIABLES.bucket]: data.bucket.bucketName,
    [VARIABLES.deadLetterQueueUrl]: queues.dead.queueUrl,
    ...parts.timers.variables,
    ...parts.timeZone,
    ...announcing(parts),
    ...channelEnvironment(parts.channels, 'outgoing'),
    ...machineVariables(props.worker ?? {}),
    ...commandVariables(parts.assets.agentFolders),
    ...(props.budgets ? { [VARIABLES.budgets]: JSON.stringify(props.budgets) } : {}),
    ...(props.tenants?.models ? { [VARIABLES.tenantModels]: JSON.stringify(props.tenants.models) } : {}),
  };
  const worker = parts.isolated
    ? new LoggedFunction(scope, 'IsolatedWorker', {
        ...common,
        code: parts.assets.functions,
        handler: 'isolated-worker.handler',
        memoryMb: ISOLATED_WORKER_MB,
        environment: {
          ...environment,
          [VARIABLES.agentHostFunction]: parts.isolated.host.lambda.functionName,
          [VARIABLES.gatewayUrl]: parts.isolated.gatewayUrl.url,
          [VARIABLES.gatewaySecretParameter]: parts.isolated.secretParameter,
          ...(parts.isolated.hasSignIns && { [VARIABLES.signIns]: 'true' }),
          ...modelNames(props.model),
          ...agentVariables(props.worker ?? {}),
          ...agentModelVariables(parts.assets.agentFolders),
        },
      })
    : withAgentImage(scope, parts.assets, props.worker?.image, 'worker.handler', (image) => {
        const keepSession = String(props.worker?.keepSession ?? true);
        return new LoggedFunction(scope, 'Worker', {
          ...common,
          ...machineOf(props.worker ?? {}, image),
          environment: {
            ...environment,
            [VARIABLES.keepSession]: keepSession,
            [VARIABLES.soleUser]: 'true',
            [VARIABLES.vault]: parts.vault,
            ...modelVariables(props.model),
          },
        });
      });
  // One turn at a time: a turn takes minutes, and a second one of the batch would wait for the first.
  feed(worker, queues.turns, maxConcurrencyOf(props));
  allowSend(worker.role, queues.turns);
  allowSend(worker.role, queues.dead);
  parts.timers.allowSetting(worker.role);
  if (parts.webhooks) allowSend(worker.role, parts.webhooks.queue);
  const tenantRole = parts.tenants
    ? new TenantRole(scope, 'TenantRole', { data, worker: worker.role })
    : null;
  if (parts.tenants && tenantRole) {
    worker.lambda.addEnvironment(VARIABLES.tenantRole, tenantRole.role.roleArn);
    allowParametersBelow(worker.role, `${parts.tenants.parameterPrefix}/bots`);
  } else {
    allowTables(worker.role, data);
    allowObjects(worker.role, data, ['Get', 'Put', 'Delete']);
  }
  const parameters = channelParameters(parts.channels, 'outgoing');
  if (parts.isolated) {
    allowInvoke(worker.role, parts.isolated.host.lambda);
    allowParameters(worker.role, [...parameters, parts.isolated.secretParameter]);
  } else {
    allowModel(worker.role, props.model, parameters);
    allowVault(worker.role, parts.vault, parts.tenants !== undefined);
  }
  return { worker, tenantRole };
}
