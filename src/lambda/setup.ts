// Runs when a stack is deployed, changed or removed, as two CloudFormation custom resources. `prepare` makes the
// secrets that nobody has to know beforehand and asks the bot who it is; `webhook` tells Telegram where to send
// updates, and takes that back at the end unless the bot points elsewhere by then. Always answers CloudFormation:
// a stack that waits for an answer hangs for an hour.
import { randomBytes } from 'node:crypto';
import {
  DeleteParametersCommand,
  ParameterAlreadyExists,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { z } from 'zod';
import { createTelegramApi } from '../channels/telegram/api.ts';
import { COMMANDS } from '../channels/telegram/commands.ts';
import { ALLOWED_UPDATES } from '../channels/telegram/parse-update.ts';
import { cutText } from '../text/cut-text.ts';
import { readParameters } from './parameters.ts';
import { TELEGRAM_WEBHOOK_PATH, VARIABLES } from './variables.ts';

const propertiesSchema = z.discriminatedUnion('step', [
  z.object({
    step: z.literal('prepare'),
    secrets: z.array(z.string()),
    tokenParameter: z.string().optional(),
  }),
  z.object({
    step: z.literal('webhook'),
    url: z.url(),
    tokenParameter: z.string(),
    secretParameter: z.string(),
  }),
]);
type Properties = z.infer<typeof propertiesSchema>;

interface Outcome {
  readonly physicalId: string;
  readonly data?: Readonly<Record<string, string>>;
}

/** What Telegram may send at once; more waits at Telegram. */
const MAX_CONNECTIONS = 40;
const MAX_DELETED_AT_ONCE = 10;

const ssm = new SSMClient({ maxAttempts: 5 });

export async function handler(event: CloudFormationCustomResourceEvent, context: Context): Promise<void> {
  const physicalId = 'PhysicalResourceId' in event ? event.PhysicalResourceId : context.awsRequestId;
  try {
    const outcome = await run(event);
    await answer(event, { Status: 'SUCCESS', PhysicalResourceId: outcome.physicalId, Data: outcome.data });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    console.error(
      JSON.stringify({ level: 'ERROR', message: 'setup-failed', request: event.RequestType, error: message }),
    );
    // What cannot be taken back must not keep the stack from going.
    const Status = event.RequestType === 'Delete' ? 'SUCCESS' : 'FAILED';
    await answer(event, { Status, Reason: cutText(message, 1_000, '…'), PhysicalResourceId: physicalId });
  }
}

async function run(event: CloudFormationCustomResourceEvent): Promise<Outcome> {
  const properties = propertiesSchema.parse(event.ResourceProperties);
  if (properties.step === 'webhook') return await webhook(event.RequestType, properties);
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
  const bot =
    event.RequestType !== 'Delete' && properties.tokenParameter
      ? await identify(properties.tokenParameter)
      : {};
  return { physicalId: 'prepare', data: bot };
}

/** A secret that exists stays: a second deployment changes no key. */
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

async function identify(tokenParameter: string): Promise<Record<string, string>> {
  const bot = await (await telegram(tokenParameter)).getMe();
  return { botId: bot.id, botUsername: bot.username };
}

async function webhook(
  request: CloudFormationCustomResourceEvent['RequestType'],
  properties: Extract<Properties, { step: 'webhook' }>,
): Promise<Outcome> {
  const url = new URL(TELEGRAM_WEBHOOK_PATH, properties.url).href;
  const api = await telegram(properties.tokenParameter);
  if (request === 'Delete') {
    const { url: current } = await api.getWebhookInfo();
    if (current === url) await api.deleteWebhook();
    return { physicalId: url };
  }
  const secrets = await readParameters([properties.secretParameter], ssm);
  await api.setWebhook({
    url,
    secret: secrets.get(properties.secretParameter) ?? '',
    allowedUpdates: ALLOWED_UPDATES,
    maxConnections: MAX_CONNECTIONS,
  });
  await api.setCommands(COMMANDS);
  return { physicalId: url };
}

async function telegram(tokenParameter: string) {
  const secrets = await readParameters([tokenParameter], ssm);
  const apiRoot = process.env[VARIABLES.telegramApiRoot];
  return createTelegramApi({ token: secrets.get(tokenParameter) ?? '', ...(apiRoot ? { apiRoot } : {}) });
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
