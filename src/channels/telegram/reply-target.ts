// All that is needed to answer a Telegram message from another machine: plain JSON that travels with the turn.
import { z } from 'zod';
import { Invalid } from '../../core/errors.ts';
import type { Json, TurnRequest } from '../../core/messages.ts';
import { readAnchor } from './anchor.ts';
import type { Destination } from './api.ts';

const schema = z.object({
  chatId: z.number().int(),
  /** The topic, in forums and in private chats that have topics. */
  threadId: z.number().int().nullable(),
  /** The message that is answered. */
  messageId: z.number().int(),
  private: z.boolean(),
});

export type TelegramReplyTarget = Destination & z.infer<typeof schema>;

/** Where this turn's messages stand, and what the first one answers: nothing, if that message is in another chat. */
export interface TelegramAddress extends Destination {
  readonly answers: number | null;
  readonly private: boolean;
}

export function addressOf(context: {
  readonly request: TurnRequest;
  readonly anchor: Json | null;
}): TelegramAddress {
  const { messageId, ...target } = replyTargetOf(context.request);
  const { chatId } = readAnchor(context.anchor);
  if (chatId === undefined || chatId === target.chatId) return { ...target, answers: messageId };
  return { ...target, chatId, answers: null };
}

export function replyTargetOf(request: TurnRequest): TelegramReplyTarget {
  const parsed = schema.safeParse(request.replyTarget);
  if (parsed.success) return parsed.data;
  throw new Invalid('bad-reply-target', 'The reply target of this turn is not a Telegram one.');
}
