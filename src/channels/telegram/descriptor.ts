// Telegram as a channel: what it must be told, and which of this folder's parts does what.
import { z } from 'zod';
import { GATHER_PASTE_MS } from '../../core/defaults.ts';
import { MAX_GATHER_MS } from '../../core/messages.ts';
import { defineChannel } from '../descriptor.ts';
import { parseAllowList } from './allow-list.ts';

const userId = z.int().positive();

export const telegram = defineChannel({
  name: 'telegram',
  title: 'Telegram',
  settings: {
    token: {
      kind: 'secret',
      schema: z.string().regex(/^\d+:[\w-]+$/, 'must look like 123456:ABC-DEF, as BotFather gives it'),
      env: 'TELEGRAM_BOT_TOKEN',
      usedBy: ['outgoing', 'poller', 'setup'],
      about: 'token of a Telegram bot',
    },
    webhookSecret: {
      kind: 'secret',
      schema: z.string(),
      made: true,
      usedBy: ['webhook', 'setup'],
      about: 'what Telegram shows with every update',
    },
    apiRoot: {
      kind: 'config',
      schema: z.url('must be a URL').default('https://api.telegram.org'),
      env: 'TELEGRAM_API_ROOT',
      usedBy: ['outgoing', 'poller', 'setup'],
      about: 'address of the Bot API',
    },
    allowedUsers: {
      kind: 'config',
      schema: z.array(userId).default([]),
      // A bot can be found by anybody, so the list cannot be left out where it is public.
      deploySchema: z.array(userId).min(1),
      usedBy: ['webhook', 'poller'],
      about: 'ids of the users that the bot answers',
    },
    gatherPasteMs: {
      kind: 'config',
      schema: z.int().min(0).max(MAX_GATHER_MS).default(GATHER_PASTE_MS),
      usedBy: ['webhook', 'poller'],
      about: 'how long a part of a paste waits for the next one',
    },
  },
  identity: ['botId', 'botUsername'],

  async outgoing({ settings, log }) {
    const [{ createTelegramApi }, { createTelegramChannel }] = await Promise.all([
      import('./api.ts'),
      import('./channel.ts'),
    ]);
    return createTelegramChannel({ api: createTelegramApi(settings), log });
  },

  webhook: {
    routes: [{ method: 'POST', path: '' }],
    async open({ settings, identity, tenant, ...context }) {
      const { createTelegramWebhook } = await import('./webhook.ts');
      return createTelegramWebhook({
        ...context,
        secret: settings.webhookSecret,
        bot: { id: identity.botId, username: identity.botUsername },
        policy: {
          tenant,
          allow: parseAllowList(settings.allowedUsers),
          gatherMs: settings.gatherPasteMs,
        },
      });
    },
  },

  poller: {
    async run(context, signal) {
      const { pollTelegram } = await import('./polling.ts');
      await pollTelegram(context, signal);
    },
  },

  setup: {
    async identify(settings) {
      const { createTelegramApi } = await import('./api.ts');
      const { id, username } = await createTelegramApi(settings).getMe();
      return { botId: id, botUsername: username };
    },
    async register(settings, url) {
      const { registerWebhook } = await import('./registration.ts');
      await registerWebhook(settings, url);
    },
    async unregister(settings, url) {
      const { unregisterWebhook } = await import('./registration.ts');
      await unregisterWebhook(settings, url);
    },
  },

  describe: ({ allowedUsers }) =>
    parseAllowList(allowedUsers).problem ??
    `on, ${allowedUsers.length} allowed user${allowedUsers.length === 1 ? '' : 's'}`,

  async doctor({ allowedUsers, apiRoot }, probe) {
    if (allowedUsers.length === 0) {
      return {
        status: 'warn',
        found: 'nobody is allowed to write to the bot',
        mend: 'Put the ids of the people it may answer into telegram.allowedUsers of the configuration file.',
      };
    }
    const mend = 'Check the network, a proxy, and TELEGRAM_API_ROOT.';
    return await probe(`${allowedUsers.length} allowed users`, apiRoot, mend);
  },

  init: {
    decides: 'who may write on Telegram',
    readme: `For a Telegram bot set \`TELEGRAM_BOT_TOKEN\` and put the ids of the people it may answer into
\`telegram.allowedUsers\`; nobody else gets in.`,
  },
});
