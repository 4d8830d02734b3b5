// Everything needed to run a Telegram bot: the Bot API, the channel that answers, and the two ways in.
import '../../node-version.ts';

export { type AllowList, parseAllowList } from './allow-list.ts';
export {
  type BotIdentity,
  createTelegramApi,
  type Destination,
  type TelegramApi,
  type TelegramApiOptions,
} from './api.ts';
export { createTelegramChannel, type TelegramChannelOptions } from './channel.ts';
export type { InletOptions, StopTurns } from './inlet.ts';
export { ALLOWED_UPDATES, type UpdatePolicy } from './parse-update.ts';
export { createTelegramPoller, type TelegramPoller, type TelegramPollerOptions } from './poller.ts';
export { createTelegramWebhook, type TelegramWebhookOptions } from './webhook.ts';
