// WeChat official and service accounts as a channel. WeChat takes its callback's address, the token and the AES key on a page
// of its own, so nothing is registered by us.
import { z } from 'zod';
import { defineChannel } from '../descriptor.ts';
import { type AllowedUsers, ANYONE, allowedUsersSchema } from './allow-list.ts';

/** In place of a key: the account is set to plain mode. It has to be written, so that nobody is in it by a slip. */
const PLAIN = 'plain';

export const wechat = defineChannel({
  name: 'wechat',
  title: 'WeChat',
  settings: {
    appSecret: {
      kind: 'secret',
      schema: z
        .string()
        .regex(/^[A-Za-z0-9]{16,128}$/, 'must be the AppSecret, as the page of the account shows it'),
      env: 'WECHAT_APP_SECRET',
      usedBy: ['outgoing'],
      about: 'AppSecret of a WeChat account',
    },
    token: {
      kind: 'secret',
      schema: z
        .string()
        .regex(/^[A-Za-z0-9]{16,32}$/, 'must have 16 to 32 letters and digits; choose them at random'),
      env: 'WECHAT_TOKEN',
      usedBy: ['webhook'],
      about: 'the token that callbacks are signed with',
    },
    aesKey: {
      kind: 'secret',
      schema: z
        .string()
        .regex(
          /^(?:[A-Za-z0-9]{43}|plain)$/,
          'must be the EncodingAESKey of 43 characters, or the word plain',
        ),
      env: 'WECHAT_AES_KEY',
      usedBy: ['webhook'],
      about: 'the EncodingAESKey, or "plain" for an account in plain mode',
    },
    appId: {
      kind: 'config',
      schema: z
        .string()
        .regex(/^[A-Za-z0-9]{6,64}$/, 'must be the AppID of the account, such as wx0123456789abcdef'),
      env: 'WECHAT_APP_ID',
      usedBy: ['outgoing', 'webhook'],
      about: 'AppID of the account',
    },
    apiRoot: {
      kind: 'config',
      schema: z.url('must be a URL').default('https://api.weixin.qq.com'),
      env: 'WECHAT_API_ROOT',
      usedBy: ['outgoing'],
      about: 'address of the WeChat API, or of a forward proxy with a fixed address',
    },
    allowedUsers: {
      kind: 'config',
      schema: allowedUsersSchema.default([]),
      // Anybody can follow an account, so the list cannot be left out where it is public.
      deploySchema: allowedUsersSchema.refine((list) => list.length > 0, 'must name somebody'),
      usedBy: ['webhook'],
      about: 'OpenIDs of the people whom the account answers',
    },
  },

  async outgoing({ settings, notes, log }) {
    const { createWechatChannel } = await import('./channel.ts');
    return createWechatChannel({ ...settings, notes, log });
  },

  webhook: {
    routes: [
      { method: 'GET', path: '' },
      { method: 'POST', path: '' },
    ],
    async open({ settings, tenant, accept, clock, log }) {
      const { createWechatWebhook } = await import('./webhook.ts');
      const { token, aesKey, appId, allowedUsers } = settings;
      return createWechatWebhook({
        policy: { tenant, appId, allowedUsers },
        token,
        aesKey: aesKey === PLAIN ? null : aesKey,
        accept,
        clock,
        log,
      });
    },
  },

  describe: ({ allowedUsers, aesKey }) =>
    allowedUsers.length === 0
      ? 'No WeChat user is allowed: the list is empty.'
      : `on, ${whoWrites(allowedUsers)}${aesKey === PLAIN ? ', unencrypted' : ''}`,

  async doctor({ allowedUsers, apiRoot, aesKey }, probe) {
    if (allowedUsers.length === 0) {
      return {
        status: 'warn',
        found: 'nobody is allowed to write to the account',
        mend: 'Put OpenIDs into wechat.allowedUsers of the configuration file. The log names the OpenID of whoever is turned away.',
      };
    }
    const finding = await probe(
      whoWrites(allowedUsers),
      apiRoot,
      'Check the network, a proxy, and WECHAT_API_ROOT.',
    );
    if (finding.status !== 'ok' || aesKey !== PLAIN) return finding;
    return {
      status: 'warn',
      found: `${finding.found}; callbacks are not encrypted`,
      mend: 'Choose the safe mode on the page of the account, and put its EncodingAESKey into WECHAT_AES_KEY.',
    };
  },

  init: {
    decides: 'who may write on WeChat',
    readme: `For a WeChat service account set \`WECHAT_APP_ID\`, \`WECHAT_APP_SECRET\`, \`WECHAT_TOKEN\` and \`WECHAT_AES_KEY\`, and
put the OpenIDs of the people it may answer into \`wechat.allowedUsers\`; nobody else gets in.`,
  },
});

function whoWrites(allowed: AllowedUsers): string {
  if (allowed === ANYONE) return 'any follower';
  return `${allowed.length} allowed user${allowed.length === 1 ? '' : 's'}`;
}
