// A made-up channel: pagers of a paging service that calls webhooks and has no way to poll. It has what real ones
// have: secrets that only one part may know, one that is made at deployment, configuration, an identity, two routes.
import { z } from 'zod';
import { defineChannel } from '../../../src/channels/descriptor.ts';
import { CHANNELS } from '../../../src/channels/index.ts';
import { turnRequest } from '../../../src/core/messages.ts';

const call = z.object({ id: z.string(), from: z.string(), text: z.string() });
const replyTarget = z.object({ to: z.string() });

export const pager = defineChannel({
  name: 'pager',
  title: 'Pager',
  settings: {
    token: {
      kind: 'secret',
      schema: z.string().startsWith('pt-'),
      env: 'PAGER_TOKEN',
      usedBy: ['outgoing', 'setup'],
      about: 'token of the paging service',
    },
    callSecret: {
      kind: 'secret',
      schema: z.string().min(8),
      made: true,
      env: 'PAGER_CALL_SECRET',
      usedBy: ['webhook', 'setup'],
      about: 'what the service shows when it calls',
    },
    apiRoot: {
      kind: 'config',
      schema: z.url(),
      env: 'PAGER_API_ROOT',
      usedBy: ['outgoing', 'setup'],
      about: 'address of the paging service',
    },
    signature: {
      kind: 'config',
      schema: z.string().default(''),
      usedBy: ['outgoing'],
      about: 'what every page ends with',
    },
    pagers: {
      kind: 'config',
      schema: z.array(z.string()).default([]),
      deploySchema: z.array(z.string()).min(1),
      usedBy: ['webhook'],
      about: 'who is heard',
    },
  },
  identity: ['station'],

  async outgoing({ settings }) {
    const { ask } = await import('./service.ts');
    return {
      name: 'pager',
      capabilities: { edit: false, markdown: false, maxTextLength: 200 },
      open: () => ({ push: () => {}, close: async () => {} }),
      async deliver({ request }, reply) {
        const { to } = replyTarget.parse(request.replyTarget);
        // The service takes a page once under its id.
        const page = { id: request.turnId, to, text: `${reply.text}${settings.signature}` };
        await ask(settings.apiRoot, '/send', page, settings.token);
      },
    };
  },

  webhook: {
    routes: [
      { method: 'POST', path: '/calls' },
      { method: 'GET', path: '/check/:word' },
    ],
    async open({ settings, identity, tenant, accept, clock }) {
      return async (request) => {
        if (request.headers.get('x-pager') !== settings.callSecret)
          return new Response(null, { status: 401 });
        if (request.method === 'GET') return new Response(new URL(request.url).pathname.split('/').at(-1));
        const { id, from, text } = call.parse(await request.json());
        if (!settings.pagers.includes(from)) return new Response(null, { status: 204 });
        const conversation = { tenant, channel: 'pager', bot: identity.station, chat: from, thread: null };
        await accept(
          turnRequest({
            conversation,
            dedupeId: id,
            text,
            replyTarget: { to: from },
            receivedAtMs: clock.now(),
          }),
        );
        return new Response(null, { status: 202 });
      };
    },
  },

  setup: {
    async identify({ apiRoot, token }) {
      const { ask } = await import('./service.ts');
      const { station } = z.object({ station: z.string() }).parse(await ask(apiRoot, '/me', {}, token));
      return { station };
    },
    async register({ apiRoot, token, callSecret }, url) {
      const { ask } = await import('./service.ts');
      await ask(apiRoot, '/register', { url, secret: callSecret }, token);
    },
    async unregister({ apiRoot, token }, url) {
      const { ask } = await import('./service.ts');
      await ask(apiRoot, '/unregister', { url }, token);
    },
  },

  describe: ({ pagers }) => `${pagers.length} pager${pagers.length === 1 ? '' : 's'}`,
});

/** The whole list of a product that has pagers, too. */
export const WITH_PAGER = [...CHANNELS, pager] as const;
