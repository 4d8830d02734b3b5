// What an inlet answers by itself: as a method in the answer to a webhook, which costs no request, or as a call.
import type { TelegramApi } from './api.ts';
import type { FixedReply } from './inlet.ts';

export function asMethod(reply: FixedReply): Record<string, unknown> {
  switch (reply.kind) {
    case 'press-reply': {
      const { pressId, text } = reply;
      return {
        method: 'answerCallbackQuery',
        callback_query_id: pressId,
        ...(text === null ? {} : { text }),
      };
    }
    case 'typing':
      return { method: 'sendChatAction', ...placeOf(reply.target), action: 'typing' };
    case 'leave':
      return { method: 'leaveChat', chat_id: reply.chatId };
    case 'guest-reply':
      return { method: 'answerGuestQuery', guest_query_id: reply.queryId, result: guestResult(reply.text) };
    case 'text':
      return { method: 'sendMessage', chat_id: reply.chatId, text: reply.text };
    case 'command-reply':
      return {
        method: 'sendMessage',
        ...placeOf(reply.target),
        text: reply.text,
        reply_parameters: { message_id: reply.target.messageId, allow_sending_without_reply: true },
      };
  }
}

export async function callFor(api: TelegramApi, reply: FixedReply): Promise<void> {
  switch (reply.kind) {
    case 'press-reply':
      return await api.answerPress(reply.pressId, reply.text);
    case 'typing':
      // The worker says it a moment later, and a call of ours would hold up the updates behind this one.
      return;
    case 'leave':
      return await api.leaveChat(reply.chatId);
    case 'guest-reply':
      return await api.answerGuest(reply.queryId, guestResult(reply.text));
    case 'text':
      await api.sendText({ chatId: reply.chatId, threadId: null }, reply.text);
      return;
    case 'command-reply':
      await api.sendText(reply.target, reply.text, { replyTo: reply.target.messageId });
  }
}

function placeOf({ chatId, threadId }: { readonly chatId: number; readonly threadId: number | null }) {
  return { chat_id: chatId, ...(threadId === null ? {} : { message_thread_id: threadId }) };
}

function guestResult(text: string) {
  return {
    type: 'article' as const,
    id: 'refused',
    title: 'No answer here',
    input_message_content: { message_text: text },
  };
}
