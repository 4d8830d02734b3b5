// One installation as a stack: what `npx hybrid-sessions deploy` deploys.
import { CfnOutput, CfnParameter, Duration, Stack } from 'aws-cdk-lib';
import { Architecture } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { withOwnChannels } from '../channels/own-channels.ts';
import { HybridSessions } from './hybrid-sessions.ts';
import type { Settings } from './settings.ts';

export function createStack(
  scope: Construct,
  settings: Settings,
  assets?: string,
  known: readonly ChannelDescriptor[] = CHANNELS,
): Stack {
  const stack = new Stack(scope, settings.stack, {
    description: 'hybrid-sessions: stateful Claude agents on stateless compute',
    ...(settings.account || settings.region
      ? { env: { ...pick('account', settings.account), ...pick('region', settings.region) } }
      : {}),
  });
  // A parameter's default is not looked at again once it has a value: what the settings say would never change.
  const alarmEmail = settings.alarmEmail ?? emailParameter(stack);
  const { memoryMb, timeoutSec, ephemeralStorageMb, maxConcurrency, keepSession, hotIdleMinutes } =
    settings.worker;
  const app = new HybridSessions(stack, 'HybridSessions', {
    model: withoutUndefined(settings.model),
    alarmEmail,
    ...(settings.limits ? { limits: settings.limits } : {}),
    ...(settings.whileRunning ? { whileRunning: settings.whileRunning } : {}),
    ...(settings.budgets ? { budgets: settings.budgets } : {}),
    ...(settings.browsers ? { browsers: settings.browsers } : {}),
    ...(settings.webhooks ? { webhooks: settings.webhooks } : {}),
    ...sectionsOf(withOwnChannels(known, settings.channelModules), settings),
    channels: known,
    channelModules: settings.channelModules,
    http: settings.http,
    agents: settings.agents,
    ...pick('agentFolder', settings.agentFolder),
    architecture: settings.architecture === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64,
    worker: {
      ...pick('memoryMb', memoryMb),
      ...pick('timeout', timeoutSec === undefined ? undefined : Duration.seconds(timeoutSec)),
      ...pick('ephemeralStorageMb', ephemeralStorageMb),
      ...pick('maxConcurrency', maxConcurrency),
      ...pick('keepSession', keepSession),
      ...pick('hotIdleMinutes', hotIdleMinutes),
    },
    ingress: pick('reservedConcurrency', settings.ingress.reservedConcurrency),
    ...pick('tenants', settings.tenants && withoutUndefined(settings.tenants)),
    retention: Duration.days(settings.retentionDays),
    ownKey: settings.ownKey,
    versionedBucket: settings.versionedBucket,
    deleteDataWithStack: settings.deleteDataWithStack,
    dashboard: settings.dashboard,
    ...pick('assets', assets),
  });
  const output = (id: string, value: string | undefined, description: string) => {
    if (value) new CfnOutput(stack, id, { value, description });
  };
  output('Url', app.apiUrl?.url, 'The web page and the HTTP API.');
  output(
    'ApiKeyParameter',
    app.apiKeyParameter,
    'The parameter that holds the key of the API (SecureString).',
  );
  output('WebhookUrl', app.webhookUrl?.url, 'Where chat platforms send messages: below it, /<channel>.');
  output('DeadLetterQueue', app.queues.dead.queueUrl, 'Turns that wait for a person.');
  output('MappingTable', app.data.mapping.tableName, 'Conversations.');
  output('StateTable', app.data.state.tableName, 'Heads and turns.');
  output('Bucket', app.data.bucket.bucketName, 'Session state.');
  output('Vault', app.vault, 'What the names of parameters with credentials of tools begin with.');
  output('Region', stack.region, 'Where all this is.');
  output('RetentionDays', String(settings.retentionDays), 'What a session imported here is given.');
  output('WebhookQueue', app.webhooks?.queue.queueUrl, 'Messages to webhooks on their way.');
  output('Queue', app.queues.turns.queueUrl, 'Turns on their way.');
  return stack;
}

function emailParameter(stack: Stack): string {
  const parameter = new CfnParameter(stack, 'AlarmEmail', {
    type: 'String',
    description: 'Who is told when an alarm goes off. The address has to confirm once.',
    allowedPattern: '[^@\\s]+@[^@\\s]+\\.[^@\\s]+',
  });
  return parameter.valueAsString;
}

function sectionsOf(
  channels: readonly ChannelDescriptor[],
  settings: Settings,
): Readonly<Record<string, object>> {
  const given = channels.map(({ name, settings: own }) => [
    name,
    Object.keys(own).length > 0 && settings[name],
  ]);
  return Object.fromEntries(given.filter(([, section]) => section));
}

function pick<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: V };
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as T;
}
