// Webhooks of the bots that the registry of tenants names, below /bots/CHANNEL/BOT. The address says which bot it is, the
// channel checks that the caller knows one of this bot's secrets, and what comes in belongs to the tenant that has the bot.
import { Hono } from 'hono';
import { errorFields } from '../core/log.ts';
import type { TenantRecord } from '../core/tenants.ts';
import type { TenantDirectory } from '../tenants/directory.ts';
import { type BotDeps, botOf, settingsOfBot } from './bot-settings.ts';
import type { ChannelDescriptor, WebhookHandler } from './descriptor.ts';
import { type InletDeps, inletContext } from './inlets.ts';

export const BOTS_PATH = '/bots';

export interface BotWebhooksOptions extends BotDeps {
  readonly channels: readonly ChannelDescriptor[];
  readonly directory: TenantDirectory;
  readonly inlets: InletDeps;
}

const BOT = /^[\x21-\x7e]{1,128}$/;
const MAX_OPEN = 500;

/** An unknown bot is a 404; one that cannot be opened just now a 503, so that its platform sends again. */
export function createBotWebhooks(options: BotWebhooksOptions): Hono {
  const { channels, directory, inlets, log } = options;
  const opened = new Map<string, { readonly stamp: string; readonly handler: Promise<WebhookHandler> }>();

  async function handlerOf(channel: ChannelDescriptor, record: TenantRecord, bot: string) {
    const known = botOf(record, channel.name, bot);
    if (!known || !channel.webhook || !channel.bots) return null;
    const [{ settings, alsoAccepted }] = await settingsOfBot(channel, 'webhook', record, known, options);
    const identity = channel.bots.identity(known);
    const stamp = JSON.stringify([record.tenant, settings, alsoAccepted, identity]);
    const key = `${channel.name} ${bot}`;
    const before = opened.get(key);
    if (before?.stamp === stamp) return await before.handler;
    const context = inletContext(inlets, record);
    const handler = channel.webhook.open({ ...context, settings, identity, alsoAccepted });
    opened.delete(key);
    opened.set(key, { stamp, handler });
    handler.catch(() => opened.delete(key));
    const oldest = opened.keys().next();
    if (opened.size > MAX_OPEN && !oldest.done) opened.delete(oldest.value);
    return await handler;
  }

  const app = new Hono();
  app.notFound(() => new Response(null, { status: 404 }));
  for (const channel of channels) {
    for (const { method, path } of channel.webhook?.routes ?? []) {
      app.on(method, `${BOTS_PATH}/${channel.name}/:bot${path}`, async (context) => {
        const bot = context.req.param('bot') ?? '';
        try {
          const record = BOT.test(bot) ? await directory.bot(channel.name, bot) : null;
          const handler = record && (await handlerOf(channel, record, bot));
          return handler ? await handler(context.req.raw) : new Response(null, { status: 404 });
        } catch (error) {
          log('error', `${channel.name}-webhook-failed`, { bot, ...errorFields(error) });
          return new Response(null, { status: 503, headers: { 'retry-after': '1' } });
        }
      });
    }
  }
  return app;
}
