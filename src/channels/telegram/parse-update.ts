// Reads one update of the Bot API and says what it is to us: a turn, a stop, a fixed answer, or nothing. Pure, and the same
// for long polling and webhooks. Never throws, whatever the update holds; who is not allowed gets nothing.
import { z } from 'zod';
import { MAX_FILES } from '../../core/attachments.ts';
import { readCommand } from '../../core/commands.ts';
import { GATHER_PASTE_MS } from '../../core/defaults.ts';
import { editText } from '../../core/edited-message.ts';
import { PASTE_FROM } from '../../core/gather-paste.ts';
import type { Conversation } from '../../core/ids.ts';
import { MAX_TEXT_LENGTH, type TurnRequest, turnRequest } from '../../core/messages.ts';
import type { OfferedCommand } from '../../core/offered-commands.ts';
import { type AllowList, isAllowed } from './allow-list.ts';
import type { BotIdentity } from './api.ts';
import { answerOfButton } from './buttons.ts';
import { helpText, NOT_READ, parseCommand, type WrittenCommand } from './commands.ts';
import { TELEGRAM_FILE_BYTES } from './file-limits.ts';
import { type GroupPolicy, isHeard } from './group-policy.ts';
import { contentOf, contextOf } from './message-context.ts';
import { filesOf, sharedOf } from './message-files.ts';
import { OTHER_UPDATES, type OtherUpdate, parseOtherUpdate } from './other-updates.ts';
import { parseReaction } from './parse-reaction.ts';
import type { TelegramReplyTarget } from './reply-target.ts';

/** What the bot asks Telegram for; the list sticks to the bot, so it is always sent whole. */
export const ALLOWED_UPDATES = [
  'message',
  'edited_message',
  'callback_query',
  'message_reaction',
  ...OTHER_UPDATES,
] as const;

export interface UpdatePolicy {
  readonly tenant: string;
  readonly allow: AllowList;
  /** How soon the parts of a paste follow each other; 0 takes each message by itself. */
  readonly gatherMs?: number;
  /** Of a file that people send; what Telegram's own server gives out when left out. */
  readonly maxFileBytes?: number;
  /** What is heard in groups; all that Telegram shows the bot where it is left out. */
  readonly groups?: GroupPolicy;
  /** Of the agent folder. */
  readonly commands?: readonly OfferedCommand[];
}

/** `next`: what was written behind a command is a message of its own, the next one of the conversation. */
export type ParsedUpdate =
  | { readonly kind: 'turn'; readonly request: TurnRequest; readonly next: TurnRequest | null }
  | {
      readonly kind: 'stop';
      readonly conversation: Conversation;
      readonly target: TelegramReplyTarget;
      /** Which turns the person meant: those of messages that came before. Repeated, it stops nothing newer. */
      readonly isEarlier: (turn: Pick<TurnRequest, 'dedupeId'>) => boolean;
      readonly next: TurnRequest | null;
    }
  | Exclude<OtherUpdate, { kind: 'nothing' }>
  /** A button was pressed. `request`: what it says; null when it says nothing any more. */
  | { readonly kind: 'press'; readonly pressId: string; readonly request: TurnRequest | null }
  /** A group became a supergroup: what `from` was goes on in `to`. */
  | { readonly kind: 'moved'; readonly from: Conversation; readonly to: Conversation }
  | {
      readonly kind: 'command-reply';
      readonly text: string;
      readonly target: TelegramReplyTarget;
      /** Messages of one album share it: one answer is enough. */
      readonly albumId: string | null;
      readonly next: TurnRequest | null;
    }
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason; readonly senderId: string | null };

type IgnoreReason =
  | 'malformed'
  | 'edited'
  | 'unhandled-update'
  | 'not-allowed'
  | 'anonymous-sender'
  | 'bot-sender'
  | 'other-bots-command'
  | 'not-text'
  | 'not-addressed'
  | 'membership'
  | 'business';

const personSchema = z.object({
  id: z.number().int(),
  is_bot: z.boolean(),
  first_name: z.string().optional(),
  last_name: z.string().optional(),
});

const messageSchema = z.object({
  message_id: z.number().int(),
  message_thread_id: z.number().int().optional(),
  is_topic_message: z.boolean().optional(),
  chat: z.object({ id: z.number().int(), type: z.string() }),
  from: personSchema.optional(),
  sender_chat: z.object({ id: z.number() }).optional(),
  text: z.string().max(MAX_TEXT_LENGTH).optional(),
  caption: z.string().max(MAX_TEXT_LENGTH).optional(),
  reply_to_message: z
    .object({ from: z.object({ id: z.number() }).optional() })
    .optional()
    .catch(undefined),
  migrate_to_chat_id: z.number().int().optional(),
  migrate_from_chat_id: z.number().int().optional(),
  media_group_id: z.string().optional(),
});

const pressSchema = z.object({
  id: z.string().max(256),
  from: personSchema,
  /** The message with the button; only these fields where it is too old to be shown. */
  message: messageSchema.omit({ from: true, sender_chat: true }).optional(),
  data: z.string().max(256).optional(),
});

const updateSchema = z.object({
  update_id: z.number().int(),
  message: messageSchema.optional(),
  edited_message: z.unknown().optional(),
  callback_query: pressSchema.optional(),
});

type Message = z.infer<typeof messageSchema>;

export function parseUpdate(
  update: unknown,
  bot: BotIdentity,
  policy: UpdatePolicy,
  receivedAtMs: number,
): ParsedUpdate {
  const parsed = updateSchema.safeParse(update);
  if (!parsed.success) return ignore('malformed');
  const { update_id: updateId, message, edited_message: edited, callback_query: press } = parsed.data;
  const conversationIn = (chatId: number, thread: number | null): Conversation => ({
    tenant: policy.tenant,
    channel: 'telegram',
    bot: bot.id,
    chat: String(chatId),
    thread: thread === null ? null : String(thread),
  });
  if (press) {
    const dedupeId = dedupeIdOf(bot.id, updateId);
    return parsePress(press, policy.allow, conversationIn, { dedupeId, receivedAtMs });
  }
  if (edited !== undefined) return parseEdit(edited, bot, policy, conversationIn, { updateId, receivedAtMs });
  const reaction = (update as { message_reaction?: unknown }).message_reaction;
  if (reaction !== undefined) {
    const at = { dedupeId: dedupeIdOf(bot.id, updateId), receivedAtMs };
    const request = parseReaction(reaction, policy.allow, conversationIn, at);
    if (request === null) return ignore('malformed');
    return request === 'not-allowed' ? ignore(request) : { kind: 'turn', request, next: null };
  }
  const other = message
    ? null
    : parseOtherUpdate(update as object as Record<string, unknown>, policy.allow, conversationIn);
  if (other) return other.kind === 'nothing' ? ignore(other.reason) : other;
  if (!message) return ignore('unhandled-update');
  // Telegram's own words, whoever it names as the sender.
  const { migrate_to_chat_id: movedTo, migrate_from_chat_id: movedFrom, chat } = message;
  if (movedTo !== undefined || movedFrom !== undefined) {
    const from = conversationIn(movedFrom ?? chat.id, null);
    return { kind: 'moved', from, to: conversationIn(movedTo ?? chat.id, null) };
  }
  const refusal = refuseSender(message, policy.allow);
  if (refusal) return refusal;

  const target = targetOf(message);
  const raw = (update as { message: object }).message;
  const { maxFileBytes = TELEGRAM_FILE_BYTES } = policy;
  const files = [...filesOf(raw, maxFileBytes), ...(target.private ? [] : filesAnswered(raw, maxFileBytes))];
  const carries = files.length > 0 || sharedOf(raw).length > 0;
  const said = message.text ?? message.caption ?? (carries && isForBot(raw, message, bot) ? '' : undefined);
  if (said === undefined) return parseOther(raw, message, target);
  const command = parseCommand(said);
  const forOther = command?.addressee != null && command.addressee !== bot.username.toLowerCase();
  if (forOther) return ignore('other-bots-command', message);

  const conversation = conversationIn(message.chat.id, target.threadId);
  const from = message.from;
  const turn = (kind: TurnRequest['kind'], text: string, dedupeId: string): TurnRequest =>
    turnRequest({
      conversation,
      dedupeId,
      kind,
      text,
      sender: from ? { id: String(from.id), name: nameOf(from) } : null,
      replyTarget: { ...target },
      receivedAtMs,
      ...(kind === 'message' ? { context: contextOf(raw, bot.id, target.private) } : {}),
      ...(kind === 'message' && files.length > 0 ? { attachments: files.slice(0, MAX_FILES) } : {}),
      ...(kind === 'message' ? gathering(message, raw, text, policy) : {}),
      ...(kind === 'message' && !dedupeId.endsWith(BEHIND) ? { messageRef: String(message.message_id) } : {}),
    });
  const id = dedupeIdOf(bot.id, updateId);
  const behind = typedBehind(command);
  const next = behind === '' ? null : turn('message', behind, `${id}${BEHIND}`);
  switch (command?.name) {
    case 'help':
    case 'start':
      return { kind: 'command-reply', text: helpText(policy.commands), target, albumId: null, next };
    case 'stop':
      return { kind: 'stop', conversation, target, isEarlier: cameBefore(bot.id, updateId), next };
    case 'new':
      return { kind: 'turn', request: turn('new', '', id), next };
  }
  const isOffered = policy.commands?.some(({ name }) => name === command?.name) === true;
  const isOurs = isOffered || readCommand(said) !== null;
  const addressed = {
    text: said,
    isCommand: isOurs || command?.addressee != null,
    answersBot: message.reply_to_message?.from?.id === Number(bot.id),
  };
  if (!target.private && !isHeard(policy.groups, message.chat.id, bot.username, addressed)) {
    return ignore('not-addressed', message);
  }
  // In a group, a command that names no bot and is not ours is meant for another one.
  if (command && !isOurs && !target.private && command.addressee === null) {
    return ignore('other-bots-command', message);
  }
  return { kind: 'turn', request: turn('message', withoutMention(said, bot.username), id), next: null };
}

/** A text that was changed: for the turn of its message, if that has not begun. A command is not given anew by changing it. */
function parseEdit(
  edited: unknown,
  bot: BotIdentity,
  policy: UpdatePolicy,
  conversationIn: (chatId: number, thread: number | null) => Conversation,
  at: { readonly updateId: number; readonly receivedAtMs: number },
): ParsedUpdate {
  const { data: message } = messageSchema.safeParse(edited);
  if (!message) return ignore('malformed');
  const refusal = refuseSender(message, policy.allow);
  if (refusal) return refusal;
  const text = message.text ?? message.caption ?? '';
  if (text.trim() === '' || parseCommand(text)) return ignore('edited', message);
  const target = targetOf(message);
  const answersBot = message.reply_to_message?.from?.id === Number(bot.id);
  const addressed = { text, isCommand: false, answersBot };
  if (!target.private && !isHeard(policy.groups, message.chat.id, bot.username, addressed)) {
    return ignore('not-addressed', message);
  }
  const { from } = message;
  const request = turnRequest({
    conversation: conversationIn(message.chat.id, target.threadId),
    dedupeId: dedupeIdOf(bot.id, at.updateId),
    kind: 'command',
    text: editText(String(message.message_id), withoutMention(text, bot.username)),
    sender: from ? { id: String(from.id), name: nameOf(from) } : null,
    replyTarget: { ...target },
    receivedAtMs: at.receivedAtMs,
  });
  return { kind: 'turn', request, next: null };
}

/** The speaker is who pressed, whoever wrote what led to the question. */
function parsePress(
  { id: pressId, from, message, data }: z.infer<typeof pressSchema>,
  allow: AllowList,
  conversationIn: (chatId: number, thread: number | null) => Conversation,
  at: Pick<TurnRequest, 'dedupeId' | 'receivedAtMs'>,
): ParsedUpdate {
  if (!message) return { kind: 'press', pressId, request: null };
  const refusal = refuseSender({ ...message, from }, allow);
  if (refusal) return refusal;
  const pressed = answerOfButton(data ?? '');
  if (!pressed) return { kind: 'press', pressId, request: null };
  const target = targetOf(message);
  const request = turnRequest({
    ...{ conversation: conversationIn(message.chat.id, target.threadId), ...at, ...pressed },
    kind: 'answer',
    sender: { id: String(from.id), name: nameOf(from) },
    replyTarget: { ...target },
  });
  return { kind: 'press', pressId, request };
}

/** The files of what a message answers: in a group the agent has not seen them. */
function filesAnswered(raw: object, maxFileBytes: number): ReturnType<typeof filesOf> {
  const { reply_to_message: answered } = raw as { reply_to_message?: { from?: { is_bot?: boolean } } };
  return answered && answered.from?.is_bot !== true ? filesOf(answered, maxFileBytes) : [];
}

/** Without words: in a group a picture is rarely meant for the bot, unless it answers the bot or is part of an album. */
function isForBot(raw: object, { chat, media_group_id: album }: Message, bot: BotIdentity): boolean {
  const { reply_to_message: answered } = raw as { reply_to_message?: { from?: { id?: number } } };
  return chat.type === 'private' || album !== undefined || String(answered?.from?.id) === bot.id;
}

/** The pictures of an album are sent at once, whatever is set for pastes. */
function gathering(
  message: Message,
  raw: object,
  text: string,
  { gatherMs = GATHER_PASTE_MS }: UpdatePolicy,
) {
  if (message.media_group_id !== undefined) return { gatherMs: Math.max(gatherMs, GATHER_PASTE_MS) };
  return isCutPaste(message, raw, text) ? { gatherMs } : {};
}

/** In a private chat one person writes; what was forwarded is whole. */
function isCutPaste({ chat }: Message, raw: object, text: string): boolean {
  return chat.type === 'private' && text.length >= PASTE_FROM && !('forward_origin' in raw);
}

/** Of a link such as `t.me/bot?start=abc` Telegram makes `/start abc`: nobody typed that. */
const START_PAYLOAD = /^[A-Za-z0-9_-]{1,64}$/;

/** What the person wrote behind one of our commands. */
function typedBehind(command: WrittenCommand | null): string {
  if (!command || (command.name === 'start' && START_PAYLOAD.test(command.rest))) return '';
  return command.rest;
}

/** Ends the id of a message that stood behind a command. */
const BEHIND = '.text';

function dedupeIdOf(botId: string, updateId: number): string {
  return `${botId}:${updateId}`;
}

/** Telegram numbers a bot's updates in order. A turn with another kind of id was made by an operator: it counts, too. */
function cameBefore(botId: string, updateId: number) {
  return ({ dedupeId }: Pick<TurnRequest, 'dedupeId'>): boolean => {
    const before = Number(dedupeId.slice(dedupeId.lastIndexOf(':') + 1).replace(BEHIND, ''));
    const isOurs = dedupeId.replace(BEHIND, '') === dedupeIdOf(botId, before);
    return !isOurs || before < updateId;
  };
}

/** Allowed are people who write under their own name: those listed, and everybody in a listed group. */
function refuseSender(message: Message, allow: AllowList): ParsedUpdate | null {
  const { from, sender_chat: senderChat } = message;
  // Anonymous admins and channels share an id that says nothing about the person.
  if (!from || senderChat) return ignore('anonymous-sender');
  if (from.is_bot) return ignore('bot-sender', message);
  const group = message.chat.type === 'private' ? null : String(message.chat.id);
  if (!isAllowed(allow, String(from.id), group)) return ignore('not-allowed', message);
  return null;
}

function parseOther(raw: object, message: Message, target: TelegramReplyTarget): ParsedUpdate {
  // A group's pictures are rarely meant for the bot.
  if (contentOf(raw).length === 0 || !target.private) return ignore('not-text', message);
  const albumId = message.media_group_id ?? null;
  return { kind: 'command-reply', text: NOT_READ, target, albumId, next: null };
}

function targetOf(message: Message): TelegramReplyTarget {
  // Without `is_topic_message` the thread is only a chain of answers, not a topic.
  const threadId = message.is_topic_message ? (message.message_thread_id ?? null) : null;
  return {
    chatId: message.chat.id,
    threadId,
    messageId: message.message_id,
    private: message.chat.type === 'private',
  };
}

/** `@ThisBot do it` -> `do it`. */
function withoutMention(text: string, username: string): string {
  const mention = `@${username}`;
  const begins = text.toLowerCase().startsWith(`${mention.toLowerCase()} `);
  return begins ? text.slice(mention.length).trimStart() : text;
}

function nameOf(from: NonNullable<Message['from']>): string | null {
  return [from.first_name, from.last_name].filter(Boolean).join(' ') || null;
}

function ignore(reason: IgnoreReason, message?: Message): ParsedUpdate {
  return { kind: 'ignore', reason, senderId: message?.from ? String(message.from.id) : null };
}
