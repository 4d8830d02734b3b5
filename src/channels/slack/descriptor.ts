// Slack as a channel: what it must be told, and which of this folder's parts does what.
import { z } from 'zod';
import { defineChannel } from '../descriptor.ts';
import { ANYONE, CHANNEL_ID, parseAllowList, USER_ID } from './allow-list.ts';
import { SLACK_CAPABILITIES } from './capabilities.ts';
import { identityOf } from './identity.ts';

const ids = (shape: RegExp, example: string) =>
  z.union([z.array(z.string().regex(shape, `must be an id such as ${example}`)), z.literal(ANYONE)]);
const users = ids(USER_ID, 'U012AB3CD');
const channels = ids(CHANNEL_ID, 'C012AB3CD');
type Ids = z.infer<typeof users>;
const isSomebody = (list: Ids) => list.length > 0;

export const slack = defineChannel({
  name: 'slack',
  title: 'Slack',
  settings: {
    token: {
      kind: 'secret',
      schema: z
        .string()
        .regex(/^xoxb-[\w-]+$/, 'must look like xoxb-1-2-abc, as "OAuth & Permissions" shows it'),
      env: 'SLACK_BOT_TOKEN',
      usedBy: ['outgoing', 'poller', 'setup'],
      about: 'bot token of a Slack app',
    },
    signingSecret: {
      kind: 'secret',
      schema: z.string().min(16, 'must be the signing secret of "Basic Information"'),
      env: 'SLACK_SIGNING_SECRET',
      usedBy: ['webhook'],
      about: 'signing secret of the Slack app',
    },
    appToken: {
      kind: 'secret',
      schema: z
        .string()
        .regex(/^xapp-[\w-]+$/, 'must look like xapp-1-A1-2-abc, as "App-Level Tokens" shows it'),
      env: 'SLACK_APP_TOKEN',
      usedBy: ['poller'],
      about: 'app-level token for Socket Mode',
    },
    apiUrl: {
      kind: 'config',
      schema: z.url('must be a URL').default('https://slack.com/api/'),
      env: 'SLACK_API_URL',
      usedBy: ['outgoing', 'poller', 'setup'],
      about: 'address of the Web API',
    },
    streaming: {
      kind: 'config',
      schema: z.boolean().default(true),
      usedBy: ['outgoing'],
      about: "whether threads see Slack's own stream while the agent works",
    },
    allowedUsers: {
      kind: 'config',
      schema: users.default([]),
      deploySchema: users.refine(isSomebody, 'must name somebody'),
      usedBy: ['webhook', 'poller'],
      about: 'ids of the people that the app answers',
    },
    allowedChannels: {
      kind: 'config',
      schema: channels.default([]),
      usedBy: ['webhook', 'poller'],
      about: 'ids of the channels in which it answers everybody of the workspace',
    },
  },
  identity: ['teamId', 'botUserId'],

  async outgoing({ settings, log }) {
    const [{ createSlackApi }, { createSlackChannel }] = await Promise.all([
      import('./api.ts'),
      import('./channel.ts'),
    ]);
    return createSlackChannel({ api: createSlackApi(settings), log, streaming: settings.streaming });
  },

  webhook: {
    routes: [{ method: 'POST', path: '' }],
    async open({ settings, identity, tenant, alsoAccepted, ...context }) {
      const { createSlackWebhook } = await import('./webhook.ts');
      return createSlackWebhook({
        ...context,
        signingSecret: settings.signingSecret,
        alsoAccepted: alsoAccepted?.signingSecret ?? [],
        app: identity,
        policy: { tenant, allow: parseAllowList(settings.allowedUsers, settings.allowedChannels) },
      });
    },
  },

  // Socket Mode: the way in behind a router.
  poller: {
    by: 'appToken',
    async run(context, signal) {
      const { listenToSlack } = await import('./socket.ts');
      await listenToSlack(context, signal);
    },
  },

  setup: {
    async identify(settings) {
      const { createSlackApi } = await import('./api.ts');
      const { teamId, botUserId } = await createSlackApi(settings).identify();
      return { teamId, botUserId };
    },
  },

  bots: {
    capabilities: SLACK_CAPABILITIES,
    settings: (access) => ({
      allowedUsers: access?.users ?? [],
      allowedChannels: access?.groups ?? [],
    }),
    identity: ({ bot }) => ({ ...identityOf(bot) }),
  },

  describe: ({ allowedUsers, allowedChannels }) =>
    parseAllowList(allowedUsers, allowedChannels).problem ??
    `on, ${whoWrites(allowedUsers, allowedChannels)}`,

  async doctor({ token, apiUrl, allowedUsers, allowedChannels }) {
    const { checkSlack } = await import('./doctor.ts');
    const found = await checkSlack({ token, apiUrl });
    if (found.status !== 'ok') return found;
    if (allowedUsers.length > 0 || allowedChannels.length > 0) {
      return { ...found, found: `${found.found}; ${whoWrites(allowedUsers, allowedChannels)}` };
    }
    return {
      status: 'warn',
      found: 'nobody is allowed to write to the app',
      mend: 'Put the ids of the people it may answer into slack.allowedUsers of the configuration file.',
    };
  },

  init: {
    decides: 'who may write on Slack',
    readme: `For a Slack app set \`SLACK_BOT_TOKEN\` and \`SLACK_APP_TOKEN\` (or \`SLACK_SIGNING_SECRET\` where Slack can call it), and put the ids of the people it may answer into
\`slack.allowedUsers\`; nobody else gets in. \`hybrid-sessions init --slack\` prints the app's manifest.`,
    async manifest(address) {
      const { appManifest } = await import('./manifest.ts');
      return appManifest(address);
    },
  },
});

function whoWrites(users: Ids, channels: Ids): string {
  const count = (list: Ids, one: string) =>
    list === ANYONE ? `any ${one}` : `${list.length} allowed ${one}${list.length === 1 ? '' : 's'}`;
  return channels.length === 0
    ? count(users, 'user')
    : `${count(users, 'user')}, ${count(channels, 'channel')}`;
}
