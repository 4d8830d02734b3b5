// Bots of tenants without a system around them: secrets by reference, webhooks below /bots, whose bot answers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createBotChannels } from '../../src/channels/bot-channels.ts';
import { settingsOfBot } from '../../src/channels/bot-settings.ts';
import { createBotWebhooks } from '../../src/channels/bot-webhooks.ts';
import type { ChannelDescriptor } from '../../src/channels/descriptor.ts';
import { telegram } from '../../src/channels/telegram/descriptor.ts';
import { Gone, Invalid } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import { turnRequest } from '../../src/core/messages.ts';
import type { Channel, SendContext } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import type { SecretReference } from '../../src/core/secret-reference.ts';
import { type TenantName, type TenantRecord, tenantSettingsSchema } from '../../src/core/tenants.ts';
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import {
  createMemoryEventLog,
  createMemoryNotes,
  createMemorySessionStore,
  createMemoryTenantRegistry,
} from '../../src/stores/memory/index.ts';
import { createTenantDirectory } from '../../src/tenants/directory.ts';
import { createSecretReader } from '../../src/tenants/secrets.ts';
import { createManualClock } from '../../testing/clock.ts';
import { expectFailure, failure } from '../../testing/contracts/contract.ts';

const TELEGRAM: ChannelDescriptor = telegram as never;
const SECRETS: Record<string, string> = {
  A: '7001:secret-of-acme',
  HOOK_OLD: 'old-hook-secret-of-acme',
  HOOK_NEW: 'new-hook-secret-of-acme',
  HOOK_B: 'hook-secret-of-beta-00',
  OTHER_BOT: '9999:secret-of-somebody',
};

function world() {
  const clock = createManualClock();
  const variables = { ...SECRETS };
  const registry = createMemoryTenantRegistry({ clock });
  const directory = createTenantDirectory(registry, clock);
  const secrets = createSecretReader({
    variable: (name) => variables[name],
    parameters: async (names) => new Map(names.map((name) => [name, `value of ${name}`])),
    clock,
  });
  const bots = { secrets, configurationOf: () => ({}), log: silentLog };
  const add = (
    name: string,
    bot: string,
    secret: Record<string, string[]>,
    access: object = { users: ['1001'] },
  ) =>
    registry.add(
      name as TenantName,
      tenantSettingsSchema.parse({
        bots: [{ channel: 'telegram', bot, secrets: secret, identity: { botUsername: `${name}_bot` } }],
        access: { telegram: access },
      }),
      'test',
    );
  return { clock, variables, registry, directory, secrets, bots, add };
}

const botOf = (record: TenantRecord) => record.settings.bots[0]!;

describe('secrets', () => {
  test('come from where references point, and are read again after a minute or when they were refused', async () => {
    const { clock, variables, secrets } = world();
    const folder = await mkdtemp(join(tmpdir(), 'hs-secrets-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'token');
    await writeFile(file, 'one\n');
    const read = (reference: string) => secrets.read(reference as SecretReference);
    expect(await read('env:A')).toBe(SECRETS.A);
    expect(await read(`file:${file}`)).toBe('one');
    expect(await read('ssm:/a/b')).toBe('value of /a/b');
    expect(await read('secret:my/secret')).toBe('value of /aws/reference/secretsmanager/my/secret');
    await writeFile(file, 'two\r\n');
    variables.A = 'changed';
    expect(await read(`file:${file}`)).toBe('one');
    await clock.advance(61_000);
    expect(await read(`file:${file}`)).toBe('two');
    variables.A = 'again';
    secrets.forget();
    expect(await read('env:A')).toBe('again');
  });

  test('that are not there are named by reference, never by value', async () => {
    const { secrets } = world();
    for (const reference of ['env:NONE', 'file:/nowhere/token', 'file:/']) {
      const error = await failure(secrets.read(reference as SecretReference));
      expect(error).toBeInstanceOf(Invalid);
      expect([error.code, error.message]).toEqual(['no-secret', expect.stringContaining(reference)]);
    }
  });

  test('are tried in order; one that cannot be read is passed over, one of another bot is refused', async () => {
    const { bots, add } = world();
    const record = await add('acme', '7001', { token: ['env:NONE', 'env:A'] });
    const ways = await settingsOfBot(TELEGRAM, 'poller', record, botOf(record), bots);
    expect(ways.map(({ settings }) => settings.token)).toEqual([SECRETS.A]);
    expect(ways[0].settings).toMatchObject({ allowedUsers: [1001], allowedGroups: [] });
    const wrong = await add('beta', '7002', { token: ['env:OTHER_BOT'] });
    const error = await failure(settingsOfBot(TELEGRAM, 'outgoing', wrong, botOf(wrong), bots));
    expect([error.code, error.message]).toEqual(['bad-bot', expect.stringMatching(/another bot/)]);
    expect(error.message + error.advice).not.toContain('9999');
    const none = await add('gamma', '7003', {});
    expect((await failure(settingsOfBot(TELEGRAM, 'outgoing', none, botOf(none), bots))).code).toBe(
      'bad-bot',
    );
  });
});

describe(`${promise('TENANT')} webhooks of bots`, () => {
  function served() {
    const made = world();
    const { clock, directory, bots } = made;
    const store = createMemorySessionStore({ clock });
    const queue = createMemoryTurnQueue({ clock });
    const inlets = { store, queue, retentionSec: 1_000, log: silentLog, standing: directory.standing };
    const app = createBotWebhooks({ ...bots, channels: [TELEGRAM], directory, inlets });
    let updates = 0;
    const say = async (bot: string, secret: string, text = 'hi', from = 1001) =>
      await app.fetch(
        new Request(`https://x/bots/telegram/${bot}`, {
          method: 'POST',
          headers: { 'x-telegram-bot-api-secret-token': secret },
          body: JSON.stringify({
            update_id: ++updates,
            message: {
              message_id: updates,
              chat: { id: from, type: 'private' },
              from: { id: from, is_bot: false, first_name: 'A' },
              text,
            },
          }),
        }),
      );
    const keys = async (tenant: string) => {
      const got: string[] = [];
      for (;;) {
        const [delivery] = await queue.receive({ max: 1, waitMs: 0, visibilityMs: 1_000 });
        if (!delivery) return got.filter((key) => key.startsWith(`${tenant}/`));
        got.push(delivery.request.sessionKey);
        await delivery.ack();
      }
    };
    return { ...made, app, say, keys };
  }

  test('take a message for the tenant that has the bot, if the caller knows one of its secrets', async () => {
    const { add, say, keys } = served();
    await add('acme', '7001', { webhookSecret: ['env:HOOK_NEW', 'env:HOOK_OLD'] });
    await add('beta', '7002', { webhookSecret: ['env:HOOK_B'] });
    // Both are accepted while they are changed.
    expect((await say('7001', SECRETS.HOOK_NEW!)).status).toBe(200);
    expect(await keys('acme')).toEqual(['acme/telegram/7001/1001/-']);
    expect((await say('7001', SECRETS.HOOK_OLD!)).status).toBe(200);
    expect(await keys('acme')).toEqual(['acme/telegram/7001/1001/-']);
    // A secret opens its own bot only.
    expect((await say('7001', SECRETS.HOOK_B!)).status).toBe(401);
    expect((await say('7002', SECRETS.HOOK_NEW!)).status).toBe(401);
    expect((await say('7001', '')).status).toBe(401);
    expect(await keys('')).toEqual([]);
    for (const bot of ['7003', '%2e%2e', 'a%2Fb', '%00', 'x'.repeat(129)]) {
      expect((await say(bot, SECRETS.HOOK_NEW!)).status, bot).toBe(404);
    }
  });

  test('let nobody in but those whom the record names, and follow the record', async () => {
    const { add, say, keys, registry, clock } = served();
    const { tenant } = await add('acme', '7001', { webhookSecret: ['env:HOOK_NEW'] }, {});
    await say('7001', SECRETS.HOOK_NEW!);
    expect(await keys('acme')).toEqual([]);
    const settings = tenantSettingsSchema.parse({
      bots: [{ channel: 'telegram', bot: '7001', secrets: { webhookSecret: ['env:HOOK_NEW'] } }],
      access: { telegram: { users: 'anyone' } },
    });
    await registry.set(tenant, { settings }, 1, 'test');
    await clock.advance(6_000);
    await say('7001', SECRETS.HOOK_NEW!, 'hi', 4711);
    expect(await keys('acme')).toEqual(['acme/telegram/7001/4711/-']);
    await registry.set(tenant, { status: 'disabled' }, 2, 'test');
    await clock.advance(6_000);
    const refused = await say('7001', SECRETS.HOOK_NEW!);
    expect(await refused.json()).toMatchObject({
      method: 'sendMessage',
      text: expect.stringMatching(/switched off/),
    });
    expect(await keys('')).toEqual([]);
  });

  test('that cannot be opened just now make the platform send again', async () => {
    const { add, say } = served();
    await add('acme', '7001', { webhookSecret: ['env:NONE'] });
    const answer = await say('7001', SECRETS.HOOK_NEW!);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
  });
});

describe(`${promise('TENANT')} replies`, () => {
  /** A platform that knows some tokens only, and notes who sent what. */
  function platform(valid: Set<string>) {
    const sent: [token: string, text: string][] = [];
    const channel = {
      ...TELEGRAM,
      async outgoing({ settings }: { settings: { token: string } }): Promise<Channel> {
        return {
          name: 'telegram',
          capabilities: { edit: true, markdown: true, maxTextLength: 4_096 },
          async fetchFile(_request, remote) {
            if (!valid.has(settings.token)) throw new Invalid('bad-token', 'refused');
            return { body: Buffer.from(`${settings.token} ${remote}`) };
          },
          openConversation: async (_context, name) => ({ ..._context.request.conversation, title: name }),
          open: () => ({ push: (event) => sent.push([settings.token, event.type]), close: async () => {} }),
          async deliver(_context, reply) {
            if (!valid.has(settings.token)) throw new Invalid('bad-token', 'refused');
            sent.push([settings.token, reply.text]);
          },
        };
      },
    } as never as ChannelDescriptor;
    return { channel, sent };
  }

  function contextOf(tenant: string, bot: string): SendContext {
    const request = turnRequest({
      conversation: { tenant, channel: 'telegram', bot, chat: '1', thread: null },
      dedupeId: 'm',
      text: 'x',
      receivedAtMs: 1,
    });
    return { request, tenant } as never;
  }

  function routed(own: Channel | null = null) {
    const made = world();
    const valid = new Set([SECRETS.A!]);
    const { channel, sent } = platform(valid);
    const context = { events: createMemoryEventLog(), notes: createMemoryNotes(), log: silentLog };
    const { directory, bots } = made;
    return { ...made, valid, sent, to: createBotChannels({ ...bots, channel, own, directory, context }) };
  }

  const REPLY = { outcome: 'ok', text: 'answer' } as const;

  test('go out through the bot of the tenant, and through no other', async () => {
    const { add, to, sent } = routed();
    await add('acme', '7001', { token: ['env:A'] });
    await to.deliver(contextOf('acme', '7001'), REPLY);
    expect(sent).toEqual([[SECRETS.A, 'answer']]);
    for (const [tenant, bot] of [
      ['beta', '7001'],
      ['acme', '7002'],
      ['default', '7001'],
    ] as const) {
      expect(await to.serves?.(contextOf(tenant, bot).request)).toBe(false);
      await expectFailure(to.deliver(contextOf(tenant, bot), REPLY), Gone, 'bot-gone');
    }
    expect(sent).toHaveLength(1);
  });

  test('go out by the next secret when the platform refuses one', async () => {
    const { add, to, sent, valid, variables } = routed();
    variables.NEW = '7001:new';
    await add('acme', '7001', { token: ['env:NEW', 'env:A'] });
    await to.deliver(contextOf('acme', '7001'), REPLY);
    valid.clear();
    valid.add('7001:new');
    await to.deliver(contextOf('acme', '7001'), REPLY);
    expect(sent.map(([token]) => token)).toEqual([SECRETS.A, '7001:new']);
    valid.clear();
    await expectFailure(to.deliver(contextOf('acme', '7001'), REPLY), Invalid, 'bad-token');
  });

  test('bring files, open conversations and have buttons as the platform has them', async () => {
    const { add, to, valid, variables } = routed();
    variables.NEW = '7001:new';
    await add('acme', '7001', { token: ['env:NEW', 'env:A'] });
    const context = contextOf('acme', '7001');
    expect(to.capabilities).toMatchObject({ buttons: true, files: true });
    expect(String((await to.fetchFile?.(context.request, 'f1'))?.body)).toBe(`${SECRETS.A} f1`);
    expect(await to.openConversation?.(context, 'plans')).toMatchObject({ title: 'plans' });
    valid.clear();
    await expectFailure(to.fetchFile!(context.request, 'f1'), Invalid, 'bad-token');
    await expectFailure(to.fetchFile!(contextOf('beta', '7001').request, 'f1'), Gone, 'bot-gone');
  });

  test("of the installation's own bot stay with it, unless a tenant has it", async () => {
    const sentByOwn: string[] = [];
    const own: Channel = {
      name: 'telegram',
      capabilities: { edit: true, markdown: true, maxTextLength: 1 },
      open: () => ({ push() {}, close: async () => {} }),
      deliver: async (_context, reply) => void sentByOwn.push(reply.text),
    };
    const { add, to, clock } = routed(own);
    await to.deliver(contextOf('default', '5'), REPLY);
    expect(sentByOwn).toEqual(['answer']);
    // A tenant's conversation is never answered by it, whatever bot it names.
    await expectFailure(to.deliver(contextOf('acme', '5'), REPLY), Gone, 'bot-gone');
    await add('acme', '5', { token: ['env:A'] });
    await clock.advance(6_000);
    await expectFailure(to.deliver(contextOf('default', '5'), REPLY), Gone, 'bot-gone');
    expect(sentByOwn).toHaveLength(1);
  });

  test('whatever a channel can do, it can do through the bots, too', async () => {
    const did: string[] = [];
    const note =
      <T>(what: string, result: T) =>
      async () => {
        did.push(what);
        return result;
      };
    // Required: a member that the port gets later is asked for here, too.
    const whole: Required<Channel> = {
      name: 'telegram',
      capabilities: { edit: true, markdown: true, maxTextLength: 7, files: true, buttons: true },
      serves: async () => true,
      open: () => ({ push() {}, close: note('open', undefined) }),
      deliver: note('deliver', undefined),
      holds: (anchor, ref) => anchor === ref,
      fetchFile: note('fetchFile', { body: new Uint8Array([7]) }),
      openConversation: note('openConversation', null),
    };
    const { add, bots, directory } = world();
    await add('acme', '7001', { token: ['env:A'] });
    const channel = { ...TELEGRAM, outgoing: async () => whole } as never as ChannelDescriptor;
    const context = { events: createMemoryEventLog(), notes: createMemoryNotes(), log: silentLog };
    for (const own of [null, whole]) {
      did.length = 0;
      const to = createBotChannels({ ...bots, channel, own, directory, context });
      expect(Object.keys(to).sort()).toEqual(Object.keys(whole).sort());
      const send = contextOf('acme', '7001');
      expect(await to.serves?.(send.request)).toBe(true);
      // Known from then on, also where there is no bot but the tenants'.
      expect(to.capabilities).toEqual(whole.capabilities);
      expect([to.holds?.('7', '7'), to.holds?.('7', '8')]).toEqual([true, false]);
      await to.open(send).close();
      await to.deliver(send, REPLY);
      expect(await to.fetchFile?.(send.request, null)).toEqual({ body: new Uint8Array([7]) });
      expect(await to.openConversation?.(send, 'x')).toBeNull();
      expect(did).toEqual(['open', 'deliver', 'fetchFile', 'openConversation']);
    }
    const lacking = { ...whole, fetchFile: undefined, openConversation: undefined } as never as Channel;
    const less = { ...TELEGRAM, outgoing: async () => lacking } as never as ChannelDescriptor;
    const to = createBotChannels({ ...bots, channel: less, own: null, directory, context });
    const send = contextOf('acme', '7001');
    await expectFailure(Promise.resolve(to.fetchFile?.(send.request, null)), Gone, 'no-file');
    expect(await to.openConversation?.(send, 'x')).toBeNull();
  });

  test('show what happened before the bot was open', async () => {
    const { add, to, sent } = routed();
    await add('acme', '7001', { token: ['env:A'] });
    const sink = to.open(contextOf('acme', '7001'));
    sink.push({ type: 'text', text: 'x' });
    await sink.close();
    expect(sent).toEqual([[SECRETS.A, 'text']]);
    // One that cannot be opened shows nothing, and disturbs nothing.
    const none = to.open(contextOf('beta', '7001'));
    none.push({ type: 'text', text: 'x' });
    await none.close();
    expect(sent).toHaveLength(1);
  });
});
