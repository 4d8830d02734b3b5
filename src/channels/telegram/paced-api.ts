// Obeys `retry_after` for a whole chat: once Telegram refuses one call to a chat, every further call to it is
// refused here until the time is over, instead of making the wait longer. Known to this process only.
import { Refused } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import type { TelegramApi } from './api.ts';

/** Chats remembered at most; the oldest is forgotten first. */
const MAX_CHATS = 10_000;

export function pacedApi(api: TelegramApi, clock: Clock): TelegramApi {
  const blockedUntilMs = new Map<number, number>();

  async function paced<T>(chatId: number, call: () => Promise<T>): Promise<T> {
    const leftMs = (blockedUntilMs.get(chatId) ?? 0) - clock.now();
    if (leftMs > 0) {
      throw new Refused('rate-limited', 'Telegram asked to wait before writing to this chat again.', {
        // One more, because timers may fire a fraction early.
        retryAfterMs: leftMs + 1,
      });
    }
    blockedUntilMs.delete(chatId);
    try {
      return await call();
    } catch (error) {
      if (error instanceof Refused && error.code === 'rate-limited') {
        blockedUntilMs.set(chatId, clock.now() + error.retryAfterMs);
        const oldest = blockedUntilMs.keys().next();
        if (blockedUntilMs.size > MAX_CHATS && !oldest.done) blockedUntilMs.delete(oldest.value);
      }
      throw error;
    }
  }

  return {
    ...api,
    sendText: (to, text, options) => paced(to.chatId, () => api.sendText(to, text, options)),
    edit: (chatId, messageId, content, buttons) =>
      paced(chatId, () => api.edit(chatId, messageId, content, buttons)),
    editMedia: (chatId, messageId, file) => paced(chatId, () => api.editMedia(chatId, messageId, file)),
    sendAlbum: (to, files) => paced(to.chatId, () => api.sendAlbum(to, files)),
    editButtons: (chatId, messageId, buttons) =>
      paced(chatId, () => api.editButtons(chatId, messageId, buttons)),
    deleteMessage: (chatId, messageId) => paced(chatId, () => api.deleteMessage(chatId, messageId)),
    createTopic: (chatId, name) => paced(chatId, () => api.createTopic(chatId, name)),
    draft: (to, draftId, content) => paced(to.chatId, () => api.draft(to, draftId, content)),
    sendTyping: (to) => paced(to.chatId, () => api.sendTyping(to)),
  };
}
