// What a deployment does at Telegram: says where updates go and which commands there are, and takes the former
// back at the end, unless the bot points elsewhere by then.
import type { OfferedCommand } from '../../core/offered-commands.ts';
import { createTelegramApi, type TelegramApiOptions } from './api.ts';
import { commandMenus } from './commands.ts';
import { ALLOWED_UPDATES } from './parse-update.ts';

/** What Telegram may send at once; more waits at Telegram. */
const MAX_CONNECTIONS = 40;

export async function registerWebhook(
  settings: Pick<TelegramApiOptions, 'token' | 'apiRoot'> & { readonly webhookSecret: string },
  url: string,
  commands: readonly OfferedCommand[] = [],
): Promise<void> {
  const api = createTelegramApi(settings);
  await api.setWebhook({
    url,
    secret: settings.webhookSecret,
    allowedUpdates: ALLOWED_UPDATES,
    maxConnections: MAX_CONNECTIONS,
  });
  for (const menu of commandMenus(commands)) await api.setCommands(menu);
}

export async function unregisterWebhook(
  settings: Pick<TelegramApiOptions, 'token' | 'apiRoot'>,
  url: string,
): Promise<void> {
  const api = createTelegramApi(settings);
  const { url: current } = await api.getWebhookInfo();
  if (current === url) await api.deleteWebhook();
}
