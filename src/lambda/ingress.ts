// Takes the webhooks of all channels. Each webhook checks its caller before it reads anything else; a 200 means that
// the turn is in the durable queue (ACKED). The function has no agent, and only those secrets that check callers, so it
// is small and starts fast.
import type { APIGatewayProxyStructuredResultV2, LambdaFunctionURLEvent } from 'aws-lambda';
import { BOTS_PATH, createBotWebhooks } from '../channels/bot-webhooks.ts';
import { identityFrom } from '../channels/deployed.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { createInletApp, inletContext, type Webhook } from '../channels/inlets.ts';
import { systemClock } from '../core/clock.ts';
import { DAY_SEC } from '../core/defaults.ts';
import { createSqsTurnQueue } from '../queues/sqs-fifo/turn-queue.ts';
import { createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { admissionOf } from './admission.ts';
import { readChannels } from './channels.ts';
import { ingressSchema, readConfiguration } from './configuration.ts';
import { requestOf, wholeAnswer } from './function-url.ts';
import { createObservability, noteRefusal } from './observability.ts';
import { readParameters } from './parameters.ts';
import { openTenants } from './tenants.ts';

export function createIngress(
  channels: readonly ChannelDescriptor[],
): (event: LambdaFunctionURLEvent) => Promise<APIGatewayProxyStructuredResultV2> {
  const configuration = readConfiguration(ingressSchema, process.env);
  const { log, flush } = createObservability(configuration);
  const { mappingTable, stateTable, queueUrl } = configuration;
  const deployed = readChannels(channels, 'webhook', process.env);
  const tenants = openTenants(configuration, deployed, log);
  const deps = {
    store: createDynamoSessionStore({ mappingTable, stateTable, clock: systemClock }),
    queue: createSqsTurnQueue({ queueUrl, deadLetterQueueUrl: queueUrl }),
    retentionSec: configuration.retentionDays * DAY_SEC,
    admit: admissionOf(configuration, tenants?.directory ?? null),
    whileRunning: configuration.whileRunning,
    commands: configuration.commands,
    log,
    ...(tenants && { standing: tenants.directory.standing, retentionOf: tenants.directory.retentionOf }),
  };
  const webhooks = deployed.flatMap((one): Webhook[] => {
    const { channel, parameters } = one;
    const { webhook } = channel;
    if (!webhook) return [];
    const identity = identityFrom(channel, process.env);
    const open = async () => {
      const settings = one.settings(await readParameters(parameters));
      return await webhook.open({ ...inletContext(deps), settings, identity });
    };
    return [{ channel, open }];
  });
  const app = createInletApp(webhooks);
  const bots =
    tenants && createBotWebhooks({ ...tenants.bots, directory: tenants.directory, channels, inlets: deps });

  return async (event) => {
    try {
      const request = requestOf(event);
      const isBot = bots && new URL(request.url).pathname.startsWith(`${BOTS_PATH}/`);
      const response = await (isBot ? bots : app).fetch(request);
      noteRefusal(response, log);
      return await wholeAnswer(response);
    } finally {
      flush();
    }
  };
}
