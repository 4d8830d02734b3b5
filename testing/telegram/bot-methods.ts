// The Bot API methods of the fake, on top of chats and updates. Method names and answers are Telegram's own.
import { BotApiError, badRequest } from './bot-api-error.ts';
import type { ChatStore, FakeMessage } from './fake-chat.ts';
import type { FileShelf } from './file-shelf.ts';
import { acceptAlbum, acceptMedia } from './media-rules.ts';
import { acceptButtons, acceptDraft, acceptPlain, acceptRich } from './text-rules.ts';
import type { UpdateFeed } from './update-feed.ts';

export type Payload = Record<string, unknown>;

export interface BotState {
  readonly id: number;
  readonly username: string;
  readonly feed: UpdateFeed;
  readonly chats: ReadonlyMap<number, ChatStore>;
  /** Menus of commands by `scope/language`; '' for whoever's language has none. */
  readonly menus: Map<string, readonly unknown[]>;
  /** Ids of presses that wait for their answer. */
  readonly presses: Set<string>;
  /** What people have sent, by the id under which it can be had. */
  readonly files: FileShelf;
  /** Questions asked in chats that the bot is no member of, and what it said there. */
  readonly guestQueries: Set<string>;
  readonly guestAnswers: string[];
}

/** Carries out one method; throws `BotApiError` as Telegram would answer. */
export async function callMethod(
  bot: BotState,
  method: string,
  payload: Payload,
  gone: AbortSignal,
): Promise<unknown> {
  const run = METHODS[method.toLowerCase()];
  if (!run) throw new BotApiError(404, 'Not Found: method not found');
  return await run(bot, payload, gone);
}

/** Those that name no chat and nobody. */
const COMMAND_SCOPES = ['default', 'all_private_chats', 'all_group_chats', 'all_chat_administrators'];

type Method = (bot: BotState, payload: Payload, gone: AbortSignal) => unknown;

const METHODS: Readonly<Record<string, Method>> = {
  getme: (bot) => ({ ...asUser(bot), can_join_groups: true, can_read_all_group_messages: false }),
  getupdates: (bot, payload, gone) =>
    bot.feed.poll(
      {
        ...(payload.offset === undefined ? {} : { offset: Number(payload.offset) }),
        ...(payload.limit === undefined ? {} : { limit: Number(payload.limit) }),
        ...(payload.timeout === undefined ? {} : { timeout: Number(payload.timeout) }),
      },
      gone,
    ),
  setwebhook: (bot, payload) => {
    const allowed = Array.isArray(payload.allowed_updates) ? payload.allowed_updates.map(String) : null;
    const secret = payload.secret_token === undefined ? null : String(payload.secret_token);
    if (secret !== null && !/^[A-Za-z0-9_-]{1,256}$/.test(secret)) {
      throw badRequest('secret token contains unallowed characters');
    }
    if (payload.url === '' || payload.url === undefined) bot.feed.deleteWebhook(false);
    else bot.feed.setWebhook(String(payload.url), secret, allowed);
    return true;
  },
  deletewebhook: (bot, payload) => {
    bot.feed.deleteWebhook(payload.drop_pending_updates === true);
    return true;
  },
  getwebhookinfo: ({ feed }) => ({
    url: feed.webhook.url,
    has_custom_certificate: false,
    pending_update_count: feed.pending.length,
    ...(feed.webhook.lastError ? { last_error_message: feed.webhook.lastError } : {}),
  }),
  sendmessage: (bot, payload) => send(bot, payload, 'plain', acceptPlain(payload.text)),
  sendrichmessage: (bot, payload) => send(bot, payload, 'rich', acceptRich(payload.rich_message)),
  sendmessagedraft: (bot, payload) => showDraft(bot, payload, 'plain', acceptDraft(payload.text)),
  sendrichmessagedraft: (bot, payload) => showDraft(bot, payload, 'rich', acceptRich(payload.rich_message)),
  editmessagetext: (bot, payload) => {
    const chat = chatOf(bot, payload);
    const isRich = payload.rich_message !== undefined;
    const text = isRich ? acceptRich(payload.rich_message) : acceptPlain(payload.text);
    chat.checkWritable(null);
    const kind = isRich ? 'rich' : 'plain';
    return asMessage(bot, chat, chat.edit(Number(payload.message_id), text, kind, acceptButtons(payload)));
  },
  editmessagemedia: (bot, payload) => {
    const chat = chatOf(bot, payload);
    chat.checkWritable(null);
    const { file, caption } = acceptMedia(payload, payload.media);
    return asMessage(bot, chat, chat.putFile(Number(payload.message_id), file, caption));
  },
  sendmediagroup: (bot, payload) => {
    const chat = chatOf(bot, payload);
    const threadId = threadOf(payload);
    chat.checkWritable(threadId);
    const album = acceptAlbum(payload);
    return album.map(({ file, caption }) => {
      const said = { from: 'bot', text: caption, kind: 'plain', threadId, replyTo: null } as const;
      return asMessage(bot, chat, chat.add({ ...said, silent: payload.disable_notification === true, file }));
    });
  },
  editmessagereplymarkup: (bot, payload) => {
    const chat = chatOf(bot, payload);
    chat.checkWritable(null);
    return asMessage(bot, chat, chat.editButtons(Number(payload.message_id), acceptButtons(payload)));
  },
  answercallbackquery: (bot, payload) => {
    if (!bot.presses.delete(String(payload.callback_query_id))) {
      throw badRequest('query is too old and response timeout expired or query ID is invalid');
    }
    if (typeof payload.text === 'string' && payload.text.length > 200) throw badRequest('MESSAGE_TOO_LONG');
    return true;
  },
  deletemessage: (bot, payload) => {
    const chat = chatOf(bot, payload);
    chat.checkWritable(null);
    chat.remove(Number(payload.message_id));
    return true;
  },
  getfile: (bot, payload) => bot.files.find(String(payload.file_id)),
  sendchataction: (bot, payload) => {
    const chat = chatOf(bot, payload);
    chat.checkWritable(threadOf(payload));
    chat.noteTyping();
    return true;
  },
  createforumtopic: (bot, payload) => {
    const chat = chatOf(bot, payload);
    chat.checkWritable(null);
    const name = String(payload.name ?? '').trim();
    if (name === '' || name.length > 128) throw badRequest('TOPIC_TITLE_EMPTY');
    return { message_thread_id: chat.openTopic(name), name, icon_color: 7_322_096 };
  },
  leavechat: (bot, payload) => {
    const chat = chatOf(bot, payload);
    chat.checkWritable(null);
    if (chat.type === 'private') throw badRequest("chat member status can't be changed in private chats");
    chat.block();
    return true;
  },
  answerguestquery: (bot, payload) => {
    if (!bot.guestQueries.delete(String(payload.guest_query_id))) {
      throw badRequest('query is too old and response timeout expired or query ID is invalid');
    }
    const result = payload.result as { input_message_content?: { message_text?: unknown } } | undefined;
    bot.guestAnswers.push(acceptPlain(result?.input_message_content?.message_text));
    return { inline_message_id: `guest-${bot.guestAnswers.length}` };
  },
  setmycommands: (bot, payload) => {
    const commands = payload.commands;
    if (!Array.isArray(commands) || commands.length > 100) throw badRequest("can't parse BotCommand");
    for (const { command, description } of commands as { command?: unknown; description?: unknown }[]) {
      if (!/^[a-z0-9_]{1,32}$/.test(String(command))) throw badRequest('BOT_COMMAND_INVALID');
      const length = typeof description === 'string' ? description.trim().length : 0;
      if (length < 1 || length > 256) throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID');
    }
    const { type = 'default' } = (payload.scope ?? {}) as { type?: string };
    if (!COMMAND_SCOPES.includes(type)) throw badRequest("can't parse BotCommandScope: unsupported type");
    const language = String(payload.language_code ?? '');
    if (!/^(?:[a-z]{2})?$/.test(language)) throw badRequest('BOT_LANGCODE_INVALID');
    bot.menus.set(`${type}/${language}`, commands);
    return true;
  },
};

function send(bot: BotState, payload: Payload, kind: FakeMessage['kind'], text: string): unknown {
  const chat = chatOf(bot, payload);
  const threadId = threadOf(payload);
  chat.checkWritable(threadId);
  const reply = payload.reply_parameters as
    | { message_id?: number; allow_sending_without_reply?: boolean }
    | undefined;
  const replied = chat.messages.find((message) => message.id === reply?.message_id);
  if (reply && !replied && !reply.allow_sending_without_reply)
    throw badRequest('message to be replied not found');
  const silent = payload.disable_notification === true;
  const message = chat.add({ from: 'bot', text, kind, threadId, replyTo: replied?.id ?? null, silent });
  return asMessage(bot, chat, message);
}

function showDraft(bot: BotState, payload: Payload, kind: FakeMessage['kind'], text: string): unknown {
  const chat = chatOf(bot, payload);
  const threadId = threadOf(payload);
  chat.checkWritable(threadId);
  if (chat.type !== 'private') throw badRequest('PEER_ID_INVALID');
  const id = Number(payload.draft_id);
  if (!Number.isInteger(id) || id === 0) throw badRequest('RANDOM_ID_INVALID');
  chat.showDraft({ id, threadId, text, kind, canStop: payload.can_stop === true });
  return true;
}

function chatOf(bot: BotState, payload: Payload): ChatStore {
  const chat = bot.chats.get(Number(payload.chat_id));
  if (!chat) throw badRequest('chat not found');
  return chat;
}

function threadOf(payload: Payload): number | null {
  return payload.message_thread_id === undefined ? null : Number(payload.message_thread_id);
}

function asUser(bot: BotState) {
  return { id: bot.id, is_bot: true, first_name: bot.username, username: bot.username };
}

function asMessage(bot: BotState, chat: ChatStore, message: FakeMessage) {
  return {
    message_id: message.id,
    date: Math.floor(Date.now() / 1_000),
    from: asUser(bot),
    chat: { id: chat.id, type: chat.type },
    ...(message.threadId === null ? {} : { message_thread_id: message.threadId, is_topic_message: true }),
    ...(message.kind === 'plain' ? { text: message.text } : { rich_message: { blocks: [] } }),
  };
}
