// Opens a topic beside that of a message, in groups and private chats that have topics. Its id is recorded with the turn, so a
// repeat leads to the same one; a topic whose creation was not answered stays behind empty.
import { Gone, Invalid } from '../../core/errors.ts';
import type { OpenedConversation, SendContext } from '../../core/ports.ts';
import { cutText } from '../../text/cut-text.ts';
import { readAnchor } from './anchor.ts';
import type { TelegramApi } from './api.ts';
import { addressOf } from './reply-target.ts';

const MAX_NAME = 128;

/** null where there are no topics, or the bot may not open one. */
export async function openTopic(
  api: TelegramApi,
  context: SendContext,
  name: string,
): Promise<OpenedConversation | null> {
  const { chatId, private: isPrivate } = addressOf(context);
  const title = cutText(name.trim(), MAX_NAME, '…') || 'Fork';
  const known = readAnchor(context.anchor).topic;
  const topic = known ?? (await created(api, chatId, title));
  if (topic === null) return null;
  if (known === undefined) await context.remember({ ...readAnchor(context.anchor), topic });
  return {
    ...context.request.conversation,
    thread: String(topic),
    title,
    // The message that opened a topic has the topic's id.
    replyTarget: { chatId, threadId: topic, messageId: topic, private: isPrivate },
  };
}

async function created(api: TelegramApi, chatId: number, title: string): Promise<number | null> {
  try {
    return await api.createTopic(chatId, title);
  } catch (error) {
    if (error instanceof Invalid || (error instanceof Gone && error.code !== 'chat-moved')) return null;
    throw error;
  }
}
