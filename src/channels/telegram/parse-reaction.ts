// A reaction to a message, as an input of its conversation. Telegram does not say in which topic the message stands, so one to a
// message of a topic is taken for the chat's own conversation, which does not know it. Pure.
import { z } from 'zod';
import type { Conversation } from '../../core/ids.ts';
import { type TurnRequest, turnRequest } from '../../core/messages.ts';
import { reactionText } from '../../core/reactions.ts';
import { type AllowList, isAllowed } from './allow-list.ts';
import type { TelegramReplyTarget } from './reply-target.ts';

const id = z.number().int();

const kindSchema = z.union([
  z.object({ type: z.literal('emoji'), emoji: z.string().max(64) }).transform(({ emoji }) => emoji),
  z.object({ type: z.literal('paid') }).transform(() => '⭐'),
  z.object({ type: z.string() }).transform(() => 'an emoji of their own'),
]);

const reactionSchema = z.object({
  chat: z.object({ id, type: z.string() }),
  message_id: id,
  /** Absent where the person is anonymous. */
  user: z
    .object({ id, is_bot: z.boolean().optional(), first_name: z.string(), last_name: z.string().optional() })
    .optional(),
  new_reaction: z.array(kindSchema),
});

const MAX_GIVEN = 20;

/** null when it is malformed; `not-allowed` from somebody who may not write here. */
export function parseReaction(
  update: unknown,
  allow: AllowList,
  conversationIn: (chatId: number, thread: number | null) => Conversation,
  at: Pick<TurnRequest, 'dedupeId' | 'receivedAtMs'>,
): TurnRequest | 'not-allowed' | null {
  const { data } = reactionSchema.safeParse(update);
  if (!data) return null;
  const { chat, message_id: messageId, user, new_reaction: given } = data;
  const isPrivate = chat.type === 'private';
  const mayWrite =
    user && !user.is_bot && isAllowed(allow, String(user.id), isPrivate ? null : String(chat.id));
  if (!mayWrite) return 'not-allowed';
  const target: TelegramReplyTarget = { chatId: chat.id, threadId: null, messageId, private: isPrivate };
  return turnRequest({
    ...at,
    conversation: conversationIn(chat.id, null),
    kind: 'command',
    text: reactionText(
      String(messageId),
      given.filter((_, index) => index < MAX_GIVEN),
    ),
    sender: {
      id: String(user.id),
      name: [user.first_name, user.last_name].filter(Boolean).join(' ') || null,
    },
    replyTarget: { ...target },
  });
}
