// The few Bot API methods this product uses, over grammY's `Api` (its web build: the Node build breaks when
// minified). Every failure is one of our error families; the token is in no message, cause or log line. Nothing
// is retried here: whoever calls knows whether repeating is safe and how long there is.

import type { InputMediaDocument, InputMediaPhoto, LanguageCode, Update, WebhookInfo } from 'grammy/types';
import { Api, InputFile } from 'grammy/web';
import { Gone, Invalid, Refused } from '../../core/errors.ts';
import { type CallKind, isNotModified, telegramError } from './api-errors.ts';
import { botIdOf } from './bot-token.ts';
import type { Buttons } from './buttons.ts';
import type { CommandMenu } from './commands.ts';

export interface TelegramApiOptions {
  readonly token: string;
  /** Default `https://api.telegram.org`. */
  readonly apiRoot?: string;
  /** How long one call may take (long polling has its own time on top). */
  readonly timeoutMs?: number;
}

/** Who the bot is: `id` in decimal, `username` without `@`. */
export interface BotIdentity {
  readonly id: string;
  readonly username: string;
}

/** Where a message goes. */
export interface Destination {
  readonly chatId: number;
  readonly threadId: number | null;
}

/** `markdown` is shown with Telegram's rich formatting, `plain` letter by letter. */
type MessageContent = { readonly plain: string } | { readonly markdown: string };

export interface TelegramApi {
  readonly botId: string;
  getMe(signal?: AbortSignal): Promise<BotIdentity>;
  getUpdates(query: UpdatesQuery, signal?: AbortSignal): Promise<readonly Update[]>;
  /** Returns the new message's id. */
  sendText(to: Destination, text: string, options?: SendOptions): Promise<number>;
  /** Succeeds, too, when the message already says so. Gone('message-gone') when there is nothing to edit. */
  edit(chatId: number, messageId: number, content: MessageContent, buttons?: Buttons): Promise<void>;
  /** Puts a file in the place of a message's text. Gone('message-gone') when there is nothing to edit. */
  editMedia(chatId: number, messageId: number, file: UploadedFile): Promise<void>;
  /** Two to ten files of one kind. */
  sendAlbum(to: Destination, files: readonly UploadedFile[]): Promise<void>;
  /** Changes the buttons and nothing else. Gone('message-gone') when there is nothing to edit. */
  editButtons(chatId: number, messageId: number, buttons: Buttons): Promise<void>;
  /** Ends the waiting of a pressed button; `text` is shown for a moment. */
  answerPress(pressId: string, text: string | null): Promise<void>;
  /** Succeeds, too, when the message is gone or too old to be deleted. */
  deleteMessage(chatId: number, messageId: number): Promise<void>;
  /** Shows a text that fades, with a button to stop it; the same id again changes it. Private chats only. */
  draft(to: Destination, draftId: number, content: MessageContent): Promise<void>;
  sendTyping(to: Destination): Promise<void>;
  /** Where a file that Telegram keeps can be had, for an hour; `bytes` where Telegram knows. */
  getFile(fileId: string): Promise<{ readonly path: string; readonly bytes: number | null }>;
  /** The answer to a request for such a file, whatever its status. */
  download(path: string): Promise<Response>;
  /** The operator's own Bot API server, not Telegram's. */
  readonly isOwnServer: boolean;
  /** Returns the new topic's id. Invalid where the chat has no topics, or the bot may not open one. */
  createTopic(chatId: number, name: string): Promise<number>;
  /** Succeeds, too, when the bot is not there any more. */
  leaveChat(chatId: number): Promise<void>;
  answerGuest(queryId: string, result: GuestResult): Promise<void>;
  setCommands(menu: CommandMenu): Promise<void>;
  setWebhook(webhook: WebhookSettings): Promise<void>;
  deleteWebhook(): Promise<void>;
  getWebhookInfo(): Promise<WebhookInfo>;
}

export interface UploadedFile {
  readonly kind: 'photo' | 'document';
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly caption?: string;
}

interface UpdatesQuery {
  readonly offset?: number;
  readonly limit?: number;
  readonly timeoutSec: number;
  readonly allowedUpdates: readonly Exclude<keyof Update, 'update_id'>[];
}

/** What is said in a chat that the bot is no member of. */
export interface GuestResult {
  readonly type: 'article';
  readonly id: string;
  readonly title: string;
  readonly input_message_content: { readonly message_text: string };
}

interface SendOptions {
  readonly replyTo?: number;
  /** No sound on the person's phone. */
  readonly silent?: boolean;
}

interface WebhookSettings {
  readonly url: string;
  readonly secret: string;
  readonly allowedUpdates: UpdatesQuery['allowedUpdates'];
  readonly maxConnections?: number;
}

const DEFAULT_TIMEOUT_MS = 15_000;
/** For a whole file. */
const DOWNLOAD_MS = 120_000;
const UPLOAD_MS = 120_000;
/** Link previews would make Telegram fetch addresses that the model wrote. */
const NO_PREVIEW = { is_disabled: true };

/** Throws `Invalid('bad-token')` or `Invalid('bad-api-root')` at once; connects to nothing yet. */
export function createTelegramApi(options: TelegramApiOptions): TelegramApi {
  const { token, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const botId = botIdOf(token);
  const apiRoot = checkedRoot(options.apiRoot);
  const { raw } = new Api(token, { apiRoot });

  async function call<T>(
    method: string,
    kind: CallKind,
    send: (signal: GrammySignal) => Promise<T>,
    limits: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number } = {},
  ): Promise<T> {
    const timeout = AbortSignal.timeout(limits.timeoutMs ?? timeoutMs);
    const signal = limits.signal ? AbortSignal.any([limits.signal, timeout]) : timeout;
    try {
      return await send(signal as GrammySignal);
    } catch (error) {
      if (isNotModified(error)) throw error;
      throw telegramError(error, method, kind, token);
    }
  }

  return {
    botId,
    async getMe(signal) {
      const me = await call('getMe', 'repeatable', (s) => raw.getMe(s), { signal });
      return { id: String(me.id), username: me.username };
    },
    getUpdates: (query, signal) =>
      call(
        'getUpdates',
        'repeatable',
        (s) =>
          raw.getUpdates(
            {
              ...(query.offset === undefined ? {} : { offset: query.offset }),
              ...(query.limit === undefined ? {} : { limit: query.limit }),
              timeout: query.timeoutSec,
              allowed_updates: query.allowedUpdates,
            },
            s,
          ),
        { signal, timeoutMs: query.timeoutSec * 1_000 + timeoutMs },
      ),
    async sendText(to, text, send = {}) {
      const message = await call('sendMessage', 'send', (s) =>
        raw.sendMessage(
          {
            ...destination(to),
            text,
            link_preview_options: NO_PREVIEW,
            ...(send.silent ? { disable_notification: true } : {}),
            ...(send.replyTo === undefined
              ? {}
              : { reply_parameters: { message_id: send.replyTo, allow_sending_without_reply: true } }),
          },
          s,
        ),
      );
      return message.message_id;
    },
    async edit(chatId, messageId, content, buttons) {
      const body =
        'plain' in content
          ? { text: content.plain, link_preview_options: NO_PREVIEW }
          : { rich_message: { markdown: content.markdown } };
      try {
        await call('editMessageText', 'repeatable', (s) =>
          raw.editMessageText(
            { chat_id: chatId, message_id: messageId, ...body, ...(buttons && keyboard(buttons)) },
            s,
          ),
        );
      } catch (error) {
        if (!isNotModified(error)) throw error;
      }
    },
    async editMedia(chatId, messageId, file) {
      try {
        await call(
          'editMessageMedia',
          'repeatable',
          (s) => raw.editMessageMedia({ chat_id: chatId, message_id: messageId, media: mediaOf(file) }, s),
          { timeoutMs: UPLOAD_MS },
        );
      } catch (error) {
        if (!isNotModified(error)) throw error;
      }
    },
    async sendAlbum(to, files) {
      const media = files.map(mediaOf) as InputMediaDocument[];
      await call('sendMediaGroup', 'send', (s) => raw.sendMediaGroup({ ...destination(to), media }, s), {
        timeoutMs: UPLOAD_MS,
      });
    },
    async editButtons(chatId, messageId, buttons) {
      try {
        await call('editMessageReplyMarkup', 'repeatable', (s) =>
          raw.editMessageReplyMarkup({ chat_id: chatId, message_id: messageId, ...keyboard(buttons) }, s),
        );
      } catch (error) {
        if (!isNotModified(error)) throw error;
      }
    },
    async answerPress(pressId, text) {
      await call('answerCallbackQuery', 'repeatable', (s) =>
        raw.answerCallbackQuery({ callback_query_id: pressId, ...(text === null ? {} : { text }) }, s),
      );
    },
    async deleteMessage(chatId, messageId) {
      try {
        await call('deleteMessage', 'repeatable', (s) =>
          raw.deleteMessage({ chat_id: chatId, message_id: messageId }, s),
        );
      } catch (error) {
        if (!(error instanceof Gone && error.code === 'message-gone')) throw error;
      }
    },
    async draft(to, draftId, content) {
      const where = { ...destination(to), draft_id: draftId, can_stop: true, keep_on_stop: true };
      if ('plain' in content) {
        await call('sendMessageDraft', 'repeatable', (s) =>
          raw.sendMessageDraft({ ...where, text: content.plain }, s),
        );
      } else {
        await call('sendRichMessageDraft', 'repeatable', (s) =>
          raw.sendRichMessageDraft({ ...where, rich_message: { markdown: content.markdown } }, s),
        );
      }
    },
    async sendTyping(to) {
      await call('sendChatAction', 'repeatable', (s) =>
        raw.sendChatAction({ ...destination(to), action: 'typing' }, s),
      );
    },
    async getFile(fileId) {
      const file = await call('getFile', 'repeatable', (s) => raw.getFile({ file_id: fileId }, s));
      if (file.file_path === undefined)
        throw new Refused('not-ready', 'Telegram has no place for this file yet.');
      return { path: file.file_path, bytes: file.file_size ?? null };
    },
    async download(path) {
      const url = `${apiRoot}/file/bot${token}/${path.split('/').map(encodeURIComponent).join('/')}`;
      try {
        return await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_MS) });
      } catch (error) {
        throw telegramError(error, 'file', 'repeatable', token);
      }
    },
    isOwnServer: new URL(apiRoot).hostname !== 'api.telegram.org',
    async createTopic(chatId, name) {
      const topic = await call('createForumTopic', 'send', (s) =>
        raw.createForumTopic({ chat_id: chatId, name }, s),
      );
      return topic.message_thread_id;
    },
    async leaveChat(chatId) {
      try {
        await call('leaveChat', 'repeatable', (s) => raw.leaveChat({ chat_id: chatId }, s));
      } catch (error) {
        if (!(error instanceof Gone)) throw error;
      }
    },
    async answerGuest(queryId, result) {
      await call('answerGuestQuery', 'repeatable', (s) =>
        raw.answerGuestQuery({ guest_query_id: queryId, result }, s),
      );
    },
    async setCommands({ commands, scope, language }) {
      await call('setMyCommands', 'repeatable', (s) =>
        raw.setMyCommands(
          {
            commands: [...commands],
            scope: { type: scope },
            ...(language === null ? {} : { language_code: language as LanguageCode }),
          },
          s,
        ),
      );
    },
    async setWebhook(webhook) {
      await call('setWebhook', 'repeatable', (s) =>
        raw.setWebhook(
          {
            url: webhook.url,
            secret_token: webhook.secret,
            allowed_updates: webhook.allowedUpdates,
            ...(webhook.maxConnections === undefined ? {} : { max_connections: webhook.maxConnections }),
          },
          s,
        ),
      );
    },
    async deleteWebhook() {
      await call('deleteWebhook', 'repeatable', (s) => raw.deleteWebhook({}, s));
    },
    getWebhookInfo: () => call('getWebhookInfo', 'repeatable', (s) => raw.getWebhookInfo(s)),
  };
}

/** grammY's declarations name a polyfill's signal; at run time it is the platform's own. */
type GrammySignal = NonNullable<Parameters<Api['raw']['getMe']>[0]>;

function mediaOf({ kind, name, bytes, caption }: UploadedFile): InputMediaPhoto | InputMediaDocument {
  return { type: kind, media: new InputFile(bytes, name), ...(caption ? { caption } : {}) };
}

function keyboard(buttons: Buttons) {
  return { reply_markup: { inline_keyboard: buttons.map((row) => row.map((button) => ({ ...button }))) } };
}

function destination(to: Destination) {
  return { chat_id: to.chatId, ...(to.threadId === null ? {} : { message_thread_id: to.threadId }) };
}

function checkedRoot(apiRoot = 'https://api.telegram.org'): string {
  const url = URL.parse(apiRoot);
  if (url && (url.protocol === 'https:' || url.protocol === 'http:') && !url.search && !url.hash) {
    return apiRoot.replace(/\/+$/, '');
  }
  throw new Invalid('bad-api-root', 'The Telegram API root is not an http(s) address.', {
    advice: 'Set it to an address such as https://api.telegram.org, or leave it out.',
  });
}
