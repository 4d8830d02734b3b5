// Telegram as a channel: what it must be told, and which of this folder's parts does what.
import { z } from 'zod';
import { GATHER_PASTE_MS } from '../../core/defaults.ts';
import { MAX_GATHER_MS } from '../../core/messages.ts';
import { defineChannel } from '../descriptor.ts';
import { ANYONE, parseAllowList } from './allow-list.ts';
import { botIdOf } from './bot-token.ts';
import { TELEGRAM_CAPABILITIES } from './capabilities.ts';
import { megabytes, OWN_SERVER_FILE_MEGABYTES, TELEGRAM_FILE_MEGABYTES } from './file-limits.ts';
import { groupPolicySchema } from './group-policy.ts';

const users = z.union([z.array(z.int().positive()), z.literal(ANYONE)]);
const groups = z.union([z.array(z.int().negative('ids of groups are negative numbers')), z.literal(ANYONE)]);
const isSomebody = (list: z.infer<typeof users>) => list.length > 0;

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
      schema: users.default([]),
      // A bot can be found by anybody, so the list cannot be left out where it is public.
      deploySchema: users.refine(isSomebody, 'must name somebody'),
      usedBy: ['webhook', 'poller'],
      about: 'ids of the users that the bot answers',
    },
    allowedGroups: {
      kind: 'config',
      schema: groups.default([]),
      usedBy: ['webhook', 'poller'],
      about: 'ids of the groups in which it answers everybody',
    },
    maxFileMegabytes: {
      kind: 'config',
      schema: z.int().min(1).max(OWN_SERVER_FILE_MEGABYTES).default(TELEGRAM_FILE_MEGABYTES),
      usedBy: ['outgoing', 'webhook', 'poller'],
      about: 'size of the largest file that people can send',
    },
    groups: {
      kind: 'config',
      schema: groupPolicySchema.prefault({}),
      usedBy: ['webhook', 'poller'],
      about: 'what the bot hears in groups',
    },
    drafts: {
      kind: 'config',
      schema: z.boolean().default(true),
      usedBy: ['outgoing'],
      about: 'whether private chats see a draft while the agent works',
    },
    answer: {
      kind: 'config',
      schema: z.enum(['edit', 'new-message']).default('edit'),
      usedBy: ['outgoing'],
      about: 'whether the answer takes the place of the message that showed progress',
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
    const { drafts, answer } = settings;
    const maxFileBytes = megabytes(settings.maxFileMegabytes);
    return createTelegramChannel({ api: createTelegramApi(settings), log, drafts, answer, maxFileBytes });
  },

  webhook: {
    routes: [{ method: 'POST', path: '' }],
    async open({ settings, identity, tenant, alsoAccepted, ...context }) {
      const { createTelegramWebhook } = await import('./webhook.ts');
      return createTelegramWebhook({
        ...context,
        secret: settings.webhookSecret,
        alsoAccepted: alsoAccepted?.webhookSecret ?? [],
        bot: { id: identity.botId, username: identity.botUsername },
        policy: {
          tenant,
          allow: parseAllowList(settings.allowedUsers, settings.allowedGroups),
          gatherMs: settings.gatherPasteMs,
          maxFileBytes: megabytes(settings.maxFileMegabytes),
          groups: settings.groups,
          ...(context.commands && { commands: context.commands }),
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
    async register(settings, url, commands) {
      const { registerWebhook } = await import('./registration.ts');
      await registerWebhook(settings, url, commands);
    },
    async unregister(settings, url) {
      const { unregisterWebhook } = await import('./registration.ts');
      await unregisterWebhook(settings, url);
    },
  },

  bots: {
    capabilities: TELEGRAM_CAPABILITIES,
    settings: (access) => ({
      allowedUsers: numbers(access?.users ?? []),
      allowedGroups: numbers(access?.groups ?? []),
    }),
    idOf: ({ token }) => (typeof token === 'string' ? botIdOf(token) : null),
    identity: ({ bot, identity }) => ({ botId: bot, botUsername: identity.botUsername ?? '' }),
  },

  describe: ({ allowedUsers, allowedGroups }) =>
    parseAllowList(allowedUsers, allowedGroups).problem ?? `on, ${whoWrites(allowedUsers, allowedGroups)}`,

  async doctor({ allowedUsers, allowedGroups, apiRoot }, probe) {
    if (allowedUsers.length === 0 && allowedGroups.length === 0) {
      return {
        status: 'warn',
        found: 'nobody is allowed to write to the bot',
        mend: 'Put the ids of the people it may answer into telegram.allowedUsers of the configuration file.',
      };
    }
    const mend = 'Check the network, a proxy, and TELEGRAM_API_ROOT.';
    return await probe(whoWrites(allowedUsers, allowedGroups), apiRoot, mend);
  },

  init: {
    decides: 'who may write on Telegram',
    readme: `For a Telegram bot set \`TELEGRAM_BOT_TOKEN\` and put the ids of the people it may answer into
\`telegram.allowedUsers\`; nobody else gets in.`,
  },
});

type People = readonly number[] | typeof ANYONE;

function whoWrites(users: People, groups: People): string {
  const count = (list: People, one: string) =>
    list === ANYONE ? `any ${one}` : `${list.length} allowed ${one}${list.length === 1 ? '' : 's'}`;
  return groups.length === 0 ? count(users, 'user') : `${count(users, 'user')}, ${count(groups, 'group')}`;
}

/** What is no number stays as it is: the schema refuses it by its place. */
function numbers(ids: readonly string[] | typeof ANYONE): readonly unknown[] | typeof ANYONE {
  return ids === ANYONE ? ids : ids.map((id) => (/^-?\d{1,15}$/.test(id) ? Number(id) : id));
}
