// CloudFormation custom resources, run when a stack is deployed, changed or removed. `prepare` generates the secrets
// that nobody has to choose, and asks each channel's platform for the bot's identity. `register` lets a channel tell
// its platform where to send messages, and undoes that when the stack is removed. It always answers CloudFormation: a
// stack that gets no answer hangs for an hour.
import { randomBytes } from 'node:crypto';
import {
  DeleteParametersCommand,
  ParameterAlreadyExists,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { z } from 'zod';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import type { ChannelSettings } from '../channels/settings.ts';
import { Invalid } from '../core/errors.ts';
import { offeredCommandsSchema } from '../core/offered-commands.ts';
import { cutText } from '../text/cut-text.ts';
import { deployedChannel } from './channels.ts';
import { readParameters } from './parameters.ts';

const encodedSettings = z.record(z.string(), z.string());
const propertiesSchema = z.discriminatedUnion('step', [
  z.object({
    step: z.literal('prepare'),
    secrets: z.array(z.string()),
    /** Settings of the channels that have an identity, by name. */
    identify: z.record(z.string(), encodedSettings).default({}),
  }),
  z.object({
    step: z.literal('register'),
    channel: z.string(),
    /** Address of the function that takes webhooks. */
    url: z.url(),
    settings: encodedSettings,
    /** JSON. Of the agent folder. */
    commands: z.string().default('[]'),
  }),
]);
type Properties = z.infer<typeof propertiesSchema>;
type SetupEvent = CloudFormationCustomResourceEvent;

interface Outcome {
  readonly physicalId: string;
  readonly data?: Readonly<Record<string, string>>;
}

const MAX_DELETED_AT_ONCE = 10;

const ssm = new SSMClient({ maxAttempts: 5 });

export function createSetup(
  channels: readonly ChannelDescriptor[],
): (event: SetupEvent, context: Context) => Promise<void> {
  return async (event, context) => {
    const physicalId = 'PhysicalResourceId' in event ? event.PhysicalResourceId : context.awsRequestId;
    try {
      const outcome = await run(channels, event);
      await answer(event, { Status: 'SUCCESS', PhysicalResourceId: outcome.physicalId, Data: outcome.data });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      console.error(
        JSON.stringify({
          level: 'ERROR',
          message: 'setup-failed',
          request: event.RequestType,
          error: message,
        }),
      );
      // A step that cannot be undone must not block the removal of the stack.
      const Status = event.RequestType === 'Delete' ? 'SUCCESS' : 'FAILED';
      await answer(event, { Status, Reason: cutText(message, 1_000, '…'), PhysicalResourceId: physicalId });
    }
  };
}

async function run(channels: readonly ChannelDescriptor[], event: SetupEvent): Promise<Outcome> {
  const properties = propertiesSchema.parse(event.ResourceProperties);
  if (properties.step === 'register') return await register(channels, event.RequestType, properties);
  const before =
    event.RequestType === 'Update' ? propertiesSchema.safeParse(event.OldResourceProperties).data : null;
  const dropped =
    event.RequestType === 'Delete'
      ? properties.secrets
      : ((before?.step === 'prepare' && before.secrets) || []).filter(
          (name) => !properties.secrets.includes(name),
        );
  if (event.RequestType !== 'Delete') await makeSecrets(properties.secrets);
  await deleteSecrets(dropped);
  const data = event.RequestType === 'Delete' ? {} : await identify(channels, properties.identify);
  return { physicalId: 'prepare', data };
}

/** A secret that exists is not changed, so a second deployment keeps all keys. */
async function makeSecrets(names: readonly string[]): Promise<void> {
  for (const Name of names) {
    const Value = randomBytes(32).toString('base64url');
    const command = new PutParameterCommand({ Name, Value, Type: 'SecureString', Overwrite: false });
    await ssm.send(command).catch((error: unknown) => {
      if (!(error instanceof ParameterAlreadyExists)) throw error;
    });
  }
}

async function deleteSecrets(names: readonly string[]): Promise<void> {
  for (let at = 0; at < names.length; at += MAX_DELETED_AT_ONCE) {
    await ssm.send(new DeleteParametersCommand({ Names: names.slice(at, at + MAX_DELETED_AT_ONCE) }));
  }
}

/** Facts as `<channel>.<fact>`. */
async function identify(
  channels: readonly ChannelDescriptor[],
  wanted: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Promise<Record<string, string>> {
  const told = Object.entries(wanted).map(async ([name, encoded]) => {
    const { channel, settings } = await open(channels, name, encoded);
    const facts = (await channel.setup?.identify?.(settings)) ?? {};
    return Object.entries(facts).map(([fact, value]) => [`${name}.${fact}`, value] as const);
  });
  return Object.fromEntries((await Promise.all(told)).flat());
}

async function register(
  channels: readonly ChannelDescriptor[],
  request: SetupEvent['RequestType'],
  properties: Extract<Properties, { step: 'register' }>,
): Promise<Outcome> {
  const url = new URL(`/${properties.channel}`, properties.url).href;
  const { channel, settings } = await open(channels, properties.channel, properties.settings);
  if (request === 'Delete') await channel.setup?.unregister?.(settings, url);
  else {
    const commands = offeredCommandsSchema.parse(JSON.parse(properties.commands));
    await channel.setup?.register?.(settings, url, commands);
  }
  return { physicalId: url };
}

async function open(
  channels: readonly ChannelDescriptor[],
  name: string,
  encoded: Readonly<Record<string, string>>,
): Promise<{ channel: ChannelDescriptor; settings: ChannelSettings }> {
  const channel = channels.find((known) => known.name === name);
  if (!channel) throw new Invalid('no-channel', `This function knows no channel ${name}.`);
  const { parameters, settings } = deployedChannel(channel, 'setup', encoded);
  return { channel, settings: settings(await readParameters(parameters, ssm)) };
}

async function answer(
  event: CloudFormationCustomResourceEvent,
  result: {
    readonly Status: 'SUCCESS' | 'FAILED';
    readonly Reason?: string;
    readonly PhysicalResourceId: string;
    readonly Data?: Readonly<Record<string, string>> | undefined;
  },
): Promise<void> {
  const { StackId, RequestId, LogicalResourceId, ResponseURL } = event;
  const body = JSON.stringify({ ...result, StackId, RequestId, LogicalResourceId });
  const response = await fetch(ResponseURL, { method: 'PUT', body, headers: { 'content-type': '' } });
  if (!response.ok) throw new Error(`CloudFormation refused the answer (${response.status}).`);
}
