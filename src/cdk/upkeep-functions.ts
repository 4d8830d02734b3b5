// The functions beside turns: giving up what no worker could run, removing what has expired, setting up at deployment.
import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { VARIABLES } from '../lambda/variables.ts';
import {
  allowObjects,
  allowParameters,
  allowParametersBelow,
  allowReadingHeads,
  allowSend,
  allowTables,
} from './access.ts';
import { acknowledge } from './acknowledge.ts';
import { channelEnvironment, channelParameters } from './channels.ts';
import { LoggedFunction } from './functions.ts';
import { announcing, feed, type InstallationParts } from './installation-parts.ts';
import { Setup } from './setup.ts';

export const STRANDED_TIMEOUT = Duration.seconds(60);
/** What one round does not finish is left to the next day's round. */
const SWEEP_TIMEOUT = Duration.minutes(15);

/** Adds the function that tells users about turns which no worker could run. It needs neither image nor agent. */
export function addStranded(parts: InstallationParts): LoggedFunction {
  const { scope, queues, data } = parts;
  const stranded = new LoggedFunction(scope, 'StrandedTurns', {
    ...parts.common,
    description: 'Gives up turns that no worker could take on, and says so in their chats.',
    code: parts.assets.functions,
    handler: 'stranded.handler',
    memoryMb: 256,
    timeout: STRANDED_TIMEOUT,
    environment: {
      ...parts.variables,
      [VARIABLES.queueUrl]: queues.stranded.queueUrl,
      [VARIABLES.deadLetterQueueUrl]: queues.dead.queueUrl,
      ...announcing(parts),
      ...channelEnvironment(parts.channels, 'outgoing'),
    },
  });
  feed(stranded, queues.stranded, 2);
  allowSend(stranded.role, queues.dead);
  if (parts.webhooks) allowSend(stranded.role, parts.webhooks.queue);
  allowTables(stranded.role, data);
  allowParameters(stranded.role, channelParameters(parts.channels, 'outgoing'));
  if (parts.tenants) allowParametersBelow(stranded.role, `${parts.tenants.parameterPrefix}/bots`);
  return stranded;
}

/** Adds the function that removes expired sessions once a day. */
export function addSweep(parts: InstallationParts): LoggedFunction {
  const { scope } = parts;
  const sweep = new LoggedFunction(scope, 'SweepExpired', {
    ...parts.common,
    description: 'Removes sessions whose retention is over; rings timers again that came to nothing.',
    code: parts.assets.functions,
    handler: 'sweep.handler',
    memoryMb: 512,
    timeout: SWEEP_TIMEOUT,
    environment: {
      [VARIABLES.installation]: parts.installation,
      [VARIABLES.mappingTable]: parts.data.mapping.tableName,
      [VARIABLES.stateTable]: parts.data.state.tableName,
      [VARIABLES.bucket]: parts.data.bucket.bucketName,
      ...parts.timers.variables,
    },
  });
  parts.timers.allowRinging(sweep.role);
  allowTables(sweep.role, parts.data);
  allowReadingHeads(sweep.role, parts.data);
  allowObjects(sweep.role, parts.data, ['Delete']);
  // The next day's round repeats what failed, and the alarm reports the failure at once.
  const target = new LambdaTarget(sweep.lambda, { retryAttempts: 2 });
  const daily = new Rule(scope, 'Daily', {
    description: 'Removes sessions whose retention is over.',
    schedule: Schedule.rate(Duration.days(1)),
    targets: [target],
  });
  acknowledge(daily, 'Serverless-EventBusDLQ', "A lost event is made up for by the next day's.");
  return sweep;
}

/** null when there is no secret to generate and no channel with a setup step. */
export function addSetup(parts: InstallationParts, apiKeyParameter: string | undefined): Setup | null {
  const made = parts.channels.flatMap((one) => one.generatedSecrets);
  const secrets = [
    ...made,
    ...(apiKeyParameter ? [apiKeyParameter] : []),
    ...(parts.isolated ? [parts.isolated.secretParameter] : []),
  ];
  const channelsWithSetup = parts.channels.filter(({ channel }) => channel.setup);
  if (secrets.length === 0 && channelsWithSetup.length === 0) return null;
  const known = new Set(secrets);
  return new Setup(parts.scope, 'Setup', {
    ...parts.common,
    code: parts.assets.functions,
    secrets,
    parameters: channelParameters(channelsWithSetup, 'setup').filter((name) => !known.has(name)),
    identify: Object.fromEntries(
      channelsWithSetup
        .filter(({ channel }) => channel.identity)
        .map(({ channel, settings }) => [channel.name, settings('setup')]),
    ),
  });
}
