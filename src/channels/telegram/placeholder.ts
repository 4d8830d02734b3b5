// Sends a message that says nothing yet and has its id recorded before anyone may write into it. If recording fails
// (a lost lease, a busy store) the message is taken back: at worst the record then names a message that is gone,
// and delivery replaces it.
import type { TelegramApi } from './api.ts';
import type { TelegramAddress } from './reply-target.ts';

/** What a message says until its text is in place. */
export const WAITING = '…';

export interface Placeholder {
  readonly text: string;
  /** Shown as an answer to the person's message. */
  readonly reply: boolean;
  readonly silent: boolean;
}

export async function sendPlaceholder(
  api: TelegramApi,
  target: TelegramAddress,
  placeholder: Placeholder,
  record: (messageId: number) => Promise<void>,
): Promise<number> {
  const id = await api.sendText(target, placeholder.text, {
    silent: placeholder.silent,
    ...(placeholder.reply && target.answers !== null ? { replyTo: target.answers } : {}),
  });
  try {
    await record(id);
  } catch (error) {
    await api.deleteMessage(target.chatId, id).catch(() => undefined);
    throw error;
  }
  return id;
}
