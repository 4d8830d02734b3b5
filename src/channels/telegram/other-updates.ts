// Updates that are no message: the stop button of a draft, the bot's own coming and going in groups, and ways of using a bot
// that this one does not serve (guest mode, business accounts), refused politely to those who may use it. Pure.
import { z } from 'zod';
import { type Conversation, sessionKeyOf, turnIdOf } from '../../core/ids.ts';
import type { TurnRequest } from '../../core/messages.ts';
import { type AllowList, isAllowed } from './allow-list.ts';
import { draftIdOf } from './draft-id.ts';

const id = z.number().int();
const person = z.object({ id });

const stoppedSchema = z.object({
  chat: z.object({ id }),
  message_thread_id: id.optional(),
  draft_id: id,
});
const memberSchema = z.object({
  chat: z.object({ id, type: z.string() }),
  from: person,
  new_chat_member: z.object({ status: z.string() }),
});
const guestSchema = z.object({ guest_query_id: z.string().min(1).max(256), from: person.optional() });
const businessSchema = z.object({ user: person, user_chat_id: id, is_enabled: z.boolean() });

export const OTHER_UPDATES = [
  'stopped_message_generation',
  'my_chat_member',
  'guest_message',
  'business_connection',
] as const;

export type OtherUpdate =
  /** The draft of one turn was stopped by its button. */
  | {
      readonly kind: 'stop-draft';
      readonly conversation: Conversation;
      readonly isShown: (turn: Pick<TurnRequest, 'dedupeId'>) => boolean;
    }
  /** Somebody who may not added the bot to a group. */
  | { readonly kind: 'leave'; readonly chatId: number; readonly addedBy: string }
  | { readonly kind: 'refuse-guest'; readonly queryId: string; readonly text: string }
  | { readonly kind: 'refuse-business'; readonly chatId: number; readonly text: string }
  | { readonly kind: 'nothing'; readonly reason: 'not-allowed' | 'membership' | 'business' };

const GUEST_TEXT =
  'I answer only in chats that I am a member of. Write to me directly, or add me to this group.';
const BUSINESS_TEXT =
  'I do not answer for business accounts, so nobody who writes to you gets an answer from me. Please disconnect me in your business settings, and write to me here.';

/** null when it is none of these, or malformed. */
export function parseOtherUpdate(
  update: Readonly<Record<string, unknown>>,
  allow: AllowList,
  conversationIn: (chatId: number, thread: number | null) => Conversation,
): OtherUpdate | null {
  const [field] = OTHER_UPDATES.filter((one) => update[one] !== undefined);
  switch (field) {
    case 'stopped_message_generation': {
      const parsed = stoppedSchema.safeParse(update[field]);
      return parsed.success ? stopDraft(parsed.data, allow, conversationIn) : null;
    }
    case 'my_chat_member': {
      const parsed = memberSchema.safeParse(update[field]);
      return parsed.success ? membership(parsed.data, allow) : null;
    }
    case 'guest_message': {
      const { data } = guestSchema.safeParse(update[field]);
      if (!data) return null;
      const mayAsk = data.from && isAllowed(allow, String(data.from.id), null);
      if (!mayAsk) return { kind: 'nothing', reason: 'not-allowed' };
      return { kind: 'refuse-guest', queryId: data.guest_query_id, text: GUEST_TEXT };
    }
    case 'business_connection': {
      const { data } = businessSchema.safeParse(update[field]);
      if (!data) return null;
      if (!isAllowed(allow, String(data.user.id), null)) return { kind: 'nothing', reason: 'not-allowed' };
      if (!data.is_enabled) return { kind: 'nothing', reason: 'business' };
      return { kind: 'refuse-business', chatId: data.user_chat_id, text: BUSINESS_TEXT };
    }
    default:
      return null;
  }
}

function stopDraft(
  { chat, message_thread_id: thread, draft_id: draftId }: z.infer<typeof stoppedSchema>,
  allow: AllowList,
  conversationIn: (chatId: number, thread: number | null) => Conversation,
): OtherUpdate {
  // Drafts are shown in private chats only, where the chat has the person's id.
  if (!isAllowed(allow, String(chat.id), null)) return { kind: 'nothing', reason: 'not-allowed' };
  const conversation = conversationIn(chat.id, thread ?? null);
  const key = sessionKeyOf(conversation);
  return {
    kind: 'stop-draft',
    conversation,
    isShown: ({ dedupeId }) => draftIdOf(turnIdOf(key, dedupeId)) === draftId,
  };
}

/** Whoever may use the bot may take it into a group. */
function membership(
  { chat, from, new_chat_member: { status } }: z.infer<typeof memberSchema>,
  allow: AllowList,
): OtherUpdate {
  const isIn = status === 'member' || status === 'administrator' || status === 'restricted';
  const mayStay = chat.type === 'private' || !isIn || isAllowed(allow, String(from.id), String(chat.id));
  if (mayStay) return { kind: 'nothing', reason: 'membership' };
  return { kind: 'leave', chatId: chat.id, addedBy: String(from.id) };
}
