// Reads one message or event of WeChat and says what it is to us: a turn, a fixed answer, or nothing. Pure. Never throws,
// whatever the message holds; who is not allowed gets nothing.
import { z } from 'zod';
import type { Attachment } from '../../core/attachments.ts';
import { type TurnRequest, turnRequest } from '../../core/messages.ts';
import { MAX_TEXT_LENGTH } from '../../core/text-length.ts';
import { type AllowedUsers, isAllowed } from './allow-list.ts';
import { mediaIn } from './media.ts';
import { PER_CLICK, PER_MESSAGE, type WechatReplyTarget } from './reply-target.ts';

export interface MessagePolicy {
  readonly tenant: string;
  readonly appId: string;
  readonly allowedUsers: AllowedUsers;
}

/** Both sides of the chat, as an answer in the response needs them. */
export interface Parties {
  readonly openId: string;
  readonly account: string;
}

export type ParsedMessage =
  | { readonly kind: 'turn'; readonly request: TurnRequest; readonly parties: Parties }
  | { readonly kind: 'reply'; readonly text: string; readonly parties: Parties }
  | { readonly kind: 'ignore'; readonly reason: IgnoreReason; readonly openId: string | null };

type IgnoreReason = 'malformed' | 'not-allowed' | 'unhandled-event';

const id = z.string().min(1).max(128);
const messageSchema = z.object({
  ToUserName: id,
  FromUserName: id,
  CreateTime: z.string().regex(/^\d{1,12}$/),
  MsgType: z.string().max(64),
  MsgId: z
    .string()
    .regex(/^\d{1,24}$/)
    .optional(),
  Content: z.string().max(MAX_TEXT_LENGTH).optional(),
  /** What WeChat heard in a voice message, where the account has that switched on. */
  Recognition: z.string().max(MAX_TEXT_LENGTH).optional(),
  MediaId: z.string().min(1).max(256).optional().catch(undefined),
  Format: z.string().max(16).optional().catch(undefined),
  Event: z.string().max(64).optional(),
  EventKey: z.string().max(1_024).optional(),
});

type Message = z.infer<typeof messageSchema>;

export const NOT_READ =
  'I can read texts, pictures and voice messages. Please send me that in one of them. 我只能阅读文字、图片和语音消息。';
export const GREETING = 'Write to me and I answer. /help lists what else I can do. 给我发消息，我会回答。';

export function parseMessage(
  raw: Readonly<Record<string, unknown>> | null,
  policy: MessagePolicy,
  receivedAtMs: number,
): ParsedMessage {
  const parsed = messageSchema.safeParse(raw);
  if (!parsed.success) return { kind: 'ignore', reason: 'malformed', openId: null };
  const message = parsed.data;
  const openId = message.FromUserName;
  const parties = { openId, account: message.ToUserName };
  if (!isAllowed(policy.allowedUsers, openId)) return { kind: 'ignore', reason: 'not-allowed', openId };
  const turn = (
    text: string,
    allowance: WechatReplyTarget['allowance'],
    attachments: readonly Attachment[] = [],
  ): ParsedMessage => ({
    kind: 'turn',
    parties,
    request: turnRequest({
      conversation: {
        tenant: policy.tenant,
        channel: 'wechat',
        bot: policy.appId,
        chat: openId,
        thread: null,
      },
      dedupeId: dedupeIdOf(policy.appId, message),
      text,
      attachments,
      sender: { id: openId, name: null },
      replyTarget: { openId, allowance } satisfies WechatReplyTarget,
      receivedAtMs,
    }),
  });
  if (message.MsgType === 'event') {
    const event = message.Event?.toLowerCase();
    const key = message.EventKey?.trim() ?? '';
    // A menu's button says what its key says: a command or a message.
    if (event === 'click' && key !== '') return turn(key, PER_CLICK);
    if (event === 'subscribe') return { kind: 'reply', text: GREETING, parties };
    return { kind: 'ignore', reason: 'unhandled-event', openId };
  }
  const isSaid = message.MsgType === 'text' || message.MsgType === 'voice';
  const text = message.MsgType === 'voice' ? message.Recognition : message.Content;
  if (isSaid && text?.trim()) return turn(text, PER_MESSAGE);
  const media = mediaIn(message);
  return media ? turn('', PER_MESSAGE, [media]) : { kind: 'reply', text: NOT_READ, parties };
}

/** As WeChat says to tell repeats apart: messages by their id, events by who and when. */
function dedupeIdOf(appId: string, { MsgId, FromUserName, CreateTime, Event }: Message): string {
  return MsgId === undefined ? `${appId}:${FromUserName}:${CreateTime}:${Event ?? ''}` : `${appId}:${MsgId}`;
}
