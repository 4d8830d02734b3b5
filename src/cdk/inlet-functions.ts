// The functions with an address: webhooks of chat platforms come in through one, the HTTP API and the page are the other.
import { Duration } from 'aws-cdk-lib';
import { asVariables } from '../channels/deployed.ts';
import { VARIABLES } from '../lambda/variables.ts';
import { loadTriggers, type Trigger } from '../triggers/trigger-file.ts';
import { TRIGGERS_FILE, writtenTriggers } from '../triggers/written-triggers.ts';
import { allowObjects, allowParameters, allowParametersBelow, allowSend, allowTables } from './access.ts';
import { commandVariables } from './agent-commands.ts';
import type { Assets } from './assets.ts';
import { channelEnvironment, channelParameters, type InstalledChannel } from './channels.ts';
import { LoggedFunction } from './functions.ts';
import {
  announcing,
  type InstallationParts,
  limitVariables,
  maxConcurrencyOf,
  parametersOf,
} from './installation-parts.ts';
import { modelNames } from './model.ts';
import type { HybridSessionsProps } from './props.ts';
import type { Setup } from './setup.ts';
import type { TenantRole } from './tenant-role.ts';

/** A webhook answers at once; a longer call is broken. */
const INGRESS_TIMEOUT = Duration.seconds(15);
/** A stream lasts as long as the turn it shows. */
const API_TIMEOUT = Duration.minutes(15);

export function addIngress(
  parts: InstallationParts,
  webhookChannels: readonly InstalledChannel[],
  setup: Setup | null,
  props: HybridSessionsProps,
): LoggedFunction {
  const identities = webhookChannels.map(({ channel }) => {
    const facts = channel.identity?.map((fact) => [fact, setup?.identity(channel.name, fact) ?? '']);
    return asVariables(channel, Object.fromEntries(facts ?? []));
  });
  const parameters = channelParameters(webhookChannels, 'webhook');
  const ingress = new LoggedFunction(parts.scope, 'Ingress', {
    ...parts.common,
    description: 'Takes webhooks: checks the caller, writes the turn down, queues it.',
    code: parts.assets.functions,
    handler: 'ingress.handler',
    memoryMb: 512,
    timeout: INGRESS_TIMEOUT,
    ...(props.ingress?.reservedConcurrency === undefined
      ? {}
      : { reservedConcurrency: props.ingress.reservedConcurrency }),
    environment: {
      ...parts.variables,
      ...channelEnvironment(webhookChannels, 'webhook'),
      ...Object.assign({}, ...identities),
      ...limitVariables(props),
      ...commandVariables(parts.assets.agentFolders),
    },
  });
  allowTables(ingress.role, parts.data);
  allowSend(ingress.role, parts.queues.turns);
  allowParameters(ingress.role, parameters);
  if (parts.tenants) allowParametersBelow(ingress.role, `${parts.tenants.parameterPrefix}/webhooks`);
  return ingress;
}

export function addApi(
  parts: InstallationParts,
  props: HybridSessionsProps,
  apiKey: string,
  tenantRole: TenantRole | null,
): LoggedFunction {
  const triggers = loadTriggersOf(parts.assets.agentFolders);
  const api = new LoggedFunction(parts.scope, 'Api', {
    ...parts.common,
    description: 'The HTTP API and the web page; streams the events of turns that run in the worker.',
    code:
      triggers.length > 0
        ? parts.assets.functionsWith(TRIGGERS_FILE, writtenTriggers(triggers))
        : parts.assets.functions,
    handler: 'api.handler',
    memoryMb: 256,
    timeout: API_TIMEOUT,
    environment: {
      ...parts.variables,
      [VARIABLES.bucket]: parts.data.bucket.bucketName,
      ...parts.timers.variables,
      ...parts.timeZone,
      [VARIABLES.apiKeyParameter]: apiKey,
      [VARIABLES.maxConcurrency]: String(maxConcurrencyOf(props)),
      ...modelNames(props.model),
      ...limitVariables(props),
      ...announcing(parts),
      ...(props.webhooks && { [VARIABLES.webhooks]: JSON.stringify(props.webhooks) }),
      ...(props.browsers && { [VARIABLES.browsers]: JSON.stringify(props.browsers) }),
    },
  });
  allowTables(api.role, parts.data);
  allowSend(api.role, parts.queues.turns);
  parts.timers.allowSetting(api.role);
  if (parts.webhooks) allowSend(api.role, parts.webhooks.queue);
  allowObjects(api.role, parts.data, ['Get', 'Put', 'Delete']);
  parts.data.openToBrowsers();
  if (tenantRole) {
    tenantRole.allow(api.role);
    api.lambda.addEnvironment(VARIABLES.tenantRole, tenantRole.role.roleArn);
  }
  const secrets = triggers.flatMap((one) => parametersOf(`triggers/${one.name}.md: secret`, one.secrets));
  allowParameters(api.role, [...new Set([apiKey, ...tokenParameters(props.browsers), ...secrets])]);
  if (parts.tenants) allowParametersBelow(api.role, `${parts.tenants.parameterPrefix}/api`);
  return api;
}

/** A function reads parameters only: a secret that is elsewhere is not there when the first token comes. */
function tokenParameters(browsers: HybridSessionsProps['browsers']): readonly string[] {
  return parametersOf('browsers.users.secrets', browsers?.users?.secrets ?? []);
}

/** Of the installation's own agent folder. */
function loadTriggersOf(folders: Assets['agentFolders']): readonly Trigger[] {
  const own = folders[''];
  return own === undefined ? [] : loadTriggers(own);
}
