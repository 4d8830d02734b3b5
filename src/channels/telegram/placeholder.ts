// Sends a message that says nothing yet and has its id recorded before anyone may write into it. If the worker
// turns out to have lost its lease, the message is deleted again: nobody else knows of it.
import { isLeaseLost } from '../../core/errors.ts';
import type { TelegramApi } from './api.ts';
import type { TelegramReplyTarget } from './reply-target.ts';

/** What the first message says while the agent works, and a further one until its text is in place. */
export const THINKING = 'Thinking…';
export const WAITING = '…';

export interface Placeholder {
  readonly text: string;
  /** Shown as an answer to the person's message. */
  readonly reply: boolean;
  readonly silent: boolean;
}

export async function sendPlaceholder(
  api: TelegramApi,
  target: TelegramReplyTarget,
  placeholder: Placeholder,
  record: (messageId: number) => Promise<void>,
): Promise<number> {
  const id = await api.sendText(target, placeholder.text, {
    silent: placeholder.silent,
    ...(placeholder.reply ? { replyTo: target.messageId } : {}),
  });
  try {
    await record(id);
  } catch (error) {
    if (isLeaseLost(error)) await api.deleteMessage(target.chatId, id).catch(() => undefined);
    throw error;
  }
  return id;
}
