// Reads one callback of a WeCom AI bot and says what it is to us: a turn, a fixed answer, or nothing. Pure. Never throws,
// whatever the message holds; who is not allowed gets nothing.
import { z } from 'zod';
import { type TurnRequest, turnRequest } from '../../core/messages.ts';
import { MAX_TEXT_LENGTH } from '../../core/text-length.ts';
import { cutText } from '../../text/cut-text.ts';
import { ANSWER_WITHIN_MS, type WecomReplyTarget } from './reply-target.ts';

export const ANYONE = 'anyone';

export const allowedUsersSchema = z.union([
  z.array(z.string().regex(/^[\w.@-]{1,64}$/, 'a userid has letters, digits and . _ @ - only')),
  z.literal(ANYONE),
]);

export type AllowedUsers = z.infer<typeof allowedUsersSchema>;

export interface MessagePolicy {
  readonly tenant: string;
  readonly botId: string;
  readonly allowedUsers: AllowedUsers;
  /** Where answers go; a callback that names another place is not believed. */
  readonly apiRoot: string;
}

export type ParsedMessage =
  | { readonly kind: 'turn'; readonly request: TurnRequest }
  | { readonly kind: 'reply'; readonly id: string; readonly text: string }
  | { readonly kind: 'greeting'; readonly text: string }
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason; readonly userId: string | null };

type IgnoreReason = 'malformed' | 'other-bot' | 'not-allowed' | 'other-address' | 'unhandled-event';

const id = z.string().min(1).max(256);
const content = z.object({ content: z.string().max(MAX_TEXT_LENGTH) });
const quoteSchema = z.object({ text: content.optional() });
const messageSchema = z.object({
  msgid: id,
  aibotid: id,
  chatid: id.optional(),
  chattype: z.enum(['single', 'group']).optional(),
  from: z.object({ userid: id }),
  response_url: z.url().max(2_048).optional(),
  msgtype: z.string().max(64),
  text: content.optional(),
  /** WeCom sends what it heard. */
  voice: content.optional(),
  mixed: z
    .object({
      msg_item: z.array(z.object({ msgtype: z.string(), text: content.optional() })).max(100),
    })
    .optional(),
  quote: quoteSchema.optional(),
  event: z.object({ eventtype: z.string().max(64) }).optional(),
});

type Message = z.infer<typeof messageSchema>;

export const TEXT_ONLY = 'I can read text only. Please send me that as a text message. 我只能阅读文字消息。';
export const GREETING = 'Write to me and I answer. /help lists what else I can do. 给我发消息，我会回答。';
const MAX_QUOTE = 8_192;

export function parseMessage(raw: unknown, policy: MessagePolicy, receivedAtMs: number): ParsedMessage {
  const parsed = messageSchema.safeParse(raw);
  if (!parsed.success) return { kind: 'ignore', reason: 'malformed', userId: null };
  const message = parsed.data;
  const userId = message.from.userid;
  const ignore = (reason: IgnoreReason): ParsedMessage => ({ kind: 'ignore', reason, userId });
  if (message.aibotid !== policy.botId) return ignore('other-bot');
  if (policy.allowedUsers !== ANYONE && !policy.allowedUsers.includes(userId)) return ignore('not-allowed');
  if (message.msgtype === 'event') {
    if (message.event?.eventtype === 'enter_chat') return { kind: 'greeting', text: GREETING };
    return ignore('unhandled-event');
  }
  const text = withoutMention(textIn(message), message.chattype);
  if (text === '') return { kind: 'reply', id: message.msgid, text: TEXT_ONLY };
  const { response_url: responseUrl = '' } = message;
  if (!isBelow(responseUrl, policy.apiRoot)) return ignore('other-address');
  const isGroup = message.chattype === 'group' && message.chatid !== undefined;
  const quoted = cutText(message.quote?.text?.content ?? '', MAX_QUOTE);
  return {
    kind: 'turn',
    request: turnRequest({
      conversation: {
        tenant: policy.tenant,
        channel: 'wecom',
        bot: policy.botId,
        // A group's id and a person's could be the same word.
        chat: isGroup ? `group:${message.chatid}` : userId,
        thread: null,
      },
      dedupeId: `${policy.botId}:${message.msgid}`,
      text,
      sender: { id: userId, name: null },
      replyTarget: {
        responseUrl,
        untilMs: receivedAtMs + ANSWER_WITHIN_MS,
      } satisfies WecomReplyTarget,
      receivedAtMs,
      context: {
        ...(isGroup && { speaker: userId }),
        ...(quoted && { answers: { from: null, text: quoted } }),
      },
    }),
  };
}

function textIn({ msgtype, text, voice, mixed }: Message): string {
  if (msgtype === 'text') return text?.content ?? '';
  if (msgtype === 'voice') return voice?.content ?? '';
  if (msgtype !== 'mixed') return '';
  return (mixed?.msg_item ?? []).flatMap((item) => item.text?.content ?? []).join('\n');
}

/** In a group a message begins with `@Bot `, or it would not come here. '' for a blank one. */
function withoutMention(text: string, chat: Message['chattype']): string {
  const said = chat === 'group' ? text.replace(/^\s*@\S+\s*/, '') : text;
  return said.trim() === '' ? '' : said;
}

/** What is posted there is the answer: it goes to WeCom and nowhere else. */
function isBelow(url: string, root: string): boolean {
  return URL.canParse(url) && new URL(url).origin === new URL(root).origin;
}
