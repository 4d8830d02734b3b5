// WeCom (企业微信) AI bots as a channel, in the mode with a callback address. The address, the token and the AES key are typed
// into a page of WeCom's, so nothing is registered by us; answers need no secret but the address that came with a message.
import { z } from 'zod';
import { defineChannel } from '../descriptor.ts';
import { type AllowedUsers, ANYONE, allowedUsersSchema } from './parse-message.ts';

export const wecom = defineChannel({
  name: 'wecom',
  title: 'WeCom',
  settings: {
    token: {
      kind: 'secret',
      schema: z
        .string()
        .regex(/^[A-Za-z0-9]{16,32}$/, 'must have 16 to 32 letters and digits; choose them at random'),
      env: 'WECOM_TOKEN',
      usedBy: ['webhook'],
      about: 'the token that callbacks are signed with',
    },
    aesKey: {
      kind: 'secret',
      schema: z.string().regex(/^[A-Za-z0-9]{43}$/, 'must be the EncodingAESKey of 43 characters'),
      env: 'WECOM_AES_KEY',
      // Callbacks and files are encrypted with it.
      usedBy: ['webhook', 'outgoing'],
      about: 'the EncodingAESKey of the bot',
    },
    botId: {
      kind: 'config',
      schema: z.string().regex(/^[\w-]{1,128}$/, 'must be the Bot ID, as the page of the bot shows it'),
      env: 'WECOM_BOT_ID',
      usedBy: ['webhook'],
      about: 'id of the bot',
    },
    apiRoot: {
      kind: 'config',
      schema: z.url('must be a URL').default('https://qyapi.weixin.qq.com'),
      env: 'WECOM_API_ROOT',
      usedBy: ['webhook'],
      about: 'where answers go: an address elsewhere is not believed',
    },
    allowedUsers: {
      kind: 'config',
      schema: allowedUsersSchema.default([]),
      deploySchema: allowedUsersSchema.refine((list) => list.length > 0, 'must name somebody'),
      usedBy: ['webhook'],
      about: 'userids of the people whom the bot answers',
    },
  },

  async outgoing({ settings, log }) {
    const { createWecomChannel } = await import('./channel.ts');
    return createWecomChannel({ ...settings, log });
  },

  webhook: {
    routes: [
      { method: 'GET', path: '' },
      { method: 'POST', path: '' },
    ],
    async open({ settings, tenant, accept, clock, log }) {
      const { createWecomWebhook } = await import('./webhook.ts');
      const { token, aesKey, ...policy } = settings;
      return createWecomWebhook({ policy: { ...policy, tenant }, token, aesKey, accept, clock, log });
    },
  },

  describe: ({ allowedUsers }) =>
    allowedUsers.length === 0
      ? 'No WeCom user is allowed: the list is empty.'
      : `on, ${whoWrites(allowedUsers)}`,

  async doctor({ allowedUsers, apiRoot }, probe) {
    if (allowedUsers.length === 0) {
      return {
        status: 'warn',
        found: 'nobody is allowed to write to the bot',
        mend: 'Put userids into wecom.allowedUsers of the configuration file. The log names the userid of whoever is turned away.',
      };
    }
    return await probe(whoWrites(allowedUsers), apiRoot, 'Check the network, a proxy, and WECOM_API_ROOT.');
  },

  init: {
    decides: 'who may write on WeCom',
    readme: `For a WeCom AI bot set \`WECOM_BOT_ID\`, \`WECOM_TOKEN\` and \`WECOM_AES_KEY\`, and put the userids of the people it may
answer into \`wecom.allowedUsers\`; nobody else gets in.`,
  },
});

function whoWrites(allowed: AllowedUsers): string {
  if (allowed === ANYONE) return 'anybody of the company';
  return `${allowed.length} allowed user${allowed.length === 1 ? '' : 's'}`;
}
