// One platform with the bots of several tenants, as one `Channel`: what is sent goes through the bot that the message
// came to, and only if the registry says that this bot is the tenant's. A bot is opened when it first has something to
// send, and anew when its record or its secrets change.
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { Gone } from '../core/errors.ts';
import { tenantOf } from '../core/ids.ts';
import { errorFields } from '../core/log.ts';
import type { TurnRequest } from '../core/messages.ts';
import type { Channel, ChannelCapabilities, ProgressSink, TurnEvent } from '../core/ports.ts';
import type { TenantBot, TenantRecord } from '../core/tenants.ts';
import type { TenantDirectory } from '../tenants/directory.ts';
import { type BotDeps, botOf, isSecretRefused, settingsOfBot } from './bot-settings.ts';
import type { ChannelDescriptor, OutgoingContext } from './descriptor.ts';
import type { ChannelSettings } from './settings.ts';

export interface BotChannelsOptions extends BotDeps {
  readonly channel: ChannelDescriptor;
  /** The installation's own bot; null where it has none on this platform. */
  readonly own: Channel | null;
  readonly directory: TenantDirectory;
  readonly context: Omit<OutgoingContext<ChannelSettings>, 'settings'>;
}

interface Found {
  readonly record: TenantRecord;
  readonly known: TenantBot;
}

interface OpenedBot {
  /** Says when it has to be opened anew. */
  readonly stamp: string;
  readonly channel: Promise<Channel>;
}

/** Every platform that tenants can have bots on, with the installation's own bot where it has one; others as they are. */
export function withBots(
  channels: readonly ChannelDescriptor[],
  own: ReadonlyMap<string, Channel>,
  options: Omit<BotChannelsOptions, 'channel' | 'own'>,
): ReadonlyMap<string, Channel> {
  const routed = channels
    .filter(({ bots }) => bots !== undefined)
    .map((channel) => createBotChannels({ ...options, channel, own: own.get(channel.name) ?? null }));
  return new Map([...own, ...routed.map((channel) => [channel.name, channel] as const)]);
}

const NOTHING: ChannelCapabilities = { edit: false, markdown: false, maxTextLength: 1_000 };

export function createBotChannels(options: BotChannelsOptions): Channel {
  const { channel, own, directory, context, secrets, log } = options;
  /** By bot and by which of its secrets: those that a platform refused stay closed for the next. */
  const opened = new Map<string, OpenedBot>();
  /** Any bot of the platform: what it can and what its notes mean is the same for all. */
  let example = own;

  /** The tenant's bot that a message came to, or the installation's own; null when it is neither. */
  async function botFor({ sessionKey, conversation: { bot } }: TurnRequest): Promise<Found | 'own' | null> {
    const tenant = tenantOf(sessionKey);
    const record = await directory.of(tenant);
    const known = record && botOf(record, channel.name, bot);
    if (record && known) return { record, known };
    if (own === null || tenant !== DEFAULT_TENANT) return null;
    // The installation's own bot can be given to a tenant: what came before that is not sent by somebody else's.
    return (await directory.bot(channel.name, bot)) === null ? 'own' : null;
  }

  /** The ways to send for a conversation, best first. Gone('bot-gone') when its tenant has no such bot. */
  async function channelsFor(request: TurnRequest): Promise<readonly Promise<Channel>[]> {
    const { bot } = request.conversation;
    const found = await botFor(request);
    if (found === 'own' && own) return [Promise.resolve(own)];
    if (found === null || found === 'own') {
      throw new Gone('bot-gone', 'The bot that this message came to is not there any more.');
    }
    const ways = await settingsOfBot(channel, 'outgoing', found.record, found.known, options);
    return ways.map(({ settings }, at) => {
      const key = `${bot} ${at}`;
      const stamp = JSON.stringify(settings);
      const before = opened.get(key);
      if (before?.stamp === stamp) return before.channel;
      const made = channel.outgoing({ ...context, settings });
      opened.set(key, { stamp, channel: made });
      made.catch(() => opened.delete(key));
      return made;
    });
  }

  /** By the first secret that the platform takes. */
  async function through<T>(request: TurnRequest, act: (channel: Channel) => Promise<T>): Promise<T> {
    let refused: unknown;
    for (const way of await channelsFor(request)) {
      try {
        return await act(await way);
      } catch (error) {
        if (!isSecretRefused(error)) throw error;
        refused = error;
        secrets.forget();
      }
    }
    throw refused;
  }

  return {
    name: channel.name,
    get capabilities() {
      return example?.capabilities ?? channel.bots?.capabilities ?? NOTHING;
    },

    async serves(request) {
      if ((await botFor(request)) === null) return false;
      // What the platform can is asked for in the turn that follows. One that cannot be opened says so when it is to send.
      if (!example) {
        const [first] = await channelsFor(request).catch(() => []);
        example = (await first?.catch(() => null)) ?? null;
      }
      return true;
    },

    open(send) {
      return lateSink(
        channelsFor(send.request).then(async ([first]) => (await first)?.open(send) ?? null),
        (error) => log('warn', 'progress-not-shown', { turn: send.request.turnId, ...errorFields(error) }),
      );
    },

    deliver: (send, reply) => through(send.request, (bot) => bot.deliver(send, reply)),

    holds: (anchor, ref) => example?.holds?.(anchor, ref) ?? false,

    fetchFile: (request, remote) =>
      through(request, async (bot) => {
        if (bot.fetchFile) return await bot.fetchFile(request, remote);
        throw new Gone('no-file', 'Files cannot be fetched from this channel.');
      }),

    openConversation: (send, name) =>
      through(send.request, async (bot) => (await bot.openConversation?.(send, name)) ?? null),
  };
}

/** Keeps what happens until the bot is open. */
function lateSink(opening: Promise<ProgressSink | null>, failed: (error: unknown) => void): ProgressSink {
  const waiting: TurnEvent[] = [];
  let sink: ProgressSink | null = null;
  const ready = opening.then(
    (opened) => {
      sink = opened;
      for (const event of waiting.splice(0)) opened?.push(event);
    },
    (error) => {
      waiting.length = 0;
      failed(error);
    },
  );
  return {
    push(event) {
      if (sink) sink.push(event);
      else waiting.push(event);
    },
    async close() {
      await ready;
      await sink?.close();
    },
  };
}
