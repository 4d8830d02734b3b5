// Takes Telegram's webhooks. Nobody but Telegram knows the secret a request must carry; it is compared in constant
// time before anything is read. A 200 says that the turn is in the durable queue (ACKED). Holds no bot token and no
// agent: small, and awake within a moment.
import type { APIGatewayProxyStructuredResultV2, LambdaFunctionURLEvent } from 'aws-lambda';
import { acceptAndQueue } from '../api/messages.ts';
import { parseAllowList } from '../channels/telegram/allow-list.ts';
import { createTelegramWebhook } from '../channels/telegram/webhook.ts';
import { systemClock } from '../core/clock.ts';
import { acceptMove } from '../core/move-conversation.ts';
import { stopTurns } from '../core/stop.ts';
import { createSqsTurnQueue } from '../queues/sqs-fifo/turn-queue.ts';
import { createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { ingressSchema, readConfiguration } from './configuration.ts';
import { requestOf, wholeAnswer } from './function-url.ts';
import { createObservability } from './observability.ts';
import { once } from './once.ts';
import { readParameters } from './parameters.ts';
import { TELEGRAM_WEBHOOK_PATH } from './variables.ts';

const configuration = readConfiguration(ingressSchema, process.env);
const { log, flush } = createObservability(configuration);

const open = once(async () => {
  const { mappingTable, stateTable, queueUrl, telegramSecretParameter } = configuration;
  const secrets = await readParameters([telegramSecretParameter]);
  const deps = {
    store: createDynamoSessionStore({ mappingTable, stateTable, clock: systemClock }),
    queue: createSqsTurnQueue({ queueUrl, deadLetterQueueUrl: queueUrl }),
    retentionSec: configuration.retentionDays * 86_400,
  };
  return createTelegramWebhook({
    secret: secrets.get(telegramSecretParameter) ?? '',
    bot: { id: configuration.telegramBotId, username: configuration.telegramBotUsername },
    policy: { tenant: 'default', allow: parseAllowList(configuration.telegramAllowedUsers) },
    accept: async (request) => void (await acceptAndQueue(deps, request)),
    stop: (key, applies) => stopTurns(deps.store, key, applies),
    move: (from, to, atMs) => acceptMove(deps, from, to, atMs),
    log,
  });
});

export async function handler(event: LambdaFunctionURLEvent): Promise<APIGatewayProxyStructuredResultV2> {
  try {
    if (event.rawPath !== TELEGRAM_WEBHOOK_PATH) return { statusCode: 404 };
    const webhook = await open();
    return await wholeAnswer(await webhook(requestOf(event)));
  } finally {
    flush();
  }
}
