// Reads one callback of a WeCom AI bot and says what it is to us: a turn, a fixed answer, or nothing. Pure. Never throws,
// whatever the message holds; who is not allowed gets nothing.
import { z } from 'zod';
import { type Attachment, MAX_FILES } from '../../core/attachments.ts';
import { type TurnRequest, turnRequest } from '../../core/messages.ts';
import { MAX_TEXT_LENGTH } from '../../core/text-length.ts';
import { cutText, oneLine } from '../../text/cut-text.ts';
import { type MediaKind, mediaOf } from './media.ts';
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
const media = z.object({ url: z.string().max(4_096) });
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
      msg_item: z
        .array(z.object({ msgtype: z.string(), text: content.optional(), image: media.optional() }))
        .max(100),
    })
    .optional(),
  image: media.optional(),
  file: media.optional(),
  video: media.optional(),
  quote: quoteSchema.optional(),
  event: z.object({ eventtype: z.string().max(64) }).optional(),
});

type Message = z.infer<typeof messageSchema>;

export const NOT_READ =
  'I can read texts, pictures and files. Please send me that in one of them. 我只能阅读文字、图片和文件。';
export const GREETING = 'Write to me and I answer. /help lists what else I can do. 给我发消息，我会回答。';
const MAX_QUOTE = 8_192;
/** Of a message's id in a file's name. */
const MAX_ID = 40;

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
  const attachments = filesIn(message, policy.apiRoot);
  if (text === '' && attachments.length === 0) return { kind: 'reply', id: message.msgid, text: NOT_READ };
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
      attachments,
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

function filesIn({ msgid, image, file, video, mixed }: Message, apiRoot: string): readonly Attachment[] {
  const found: readonly (readonly [MediaKind, string | undefined])[] = [
    ['image', image?.url],
    ['file', file?.url],
    ['video', video?.url],
    ...(mixed?.msg_item ?? []).map((item) => ['image', item.image?.url] as const),
  ];
  return found
    .flatMap(([kind, url]) => (url === undefined ? [] : [[kind, url] as const]))
    .filter((_, at) => at < MAX_FILES)
    .map(([kind, url], number) => mediaOf(kind, url, { id: oneLine(msgid, MAX_ID), number, apiRoot }));
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
