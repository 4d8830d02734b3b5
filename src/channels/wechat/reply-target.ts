// All that is needed to answer a WeChat message from another machine, and how much may be said in answer to it
// (https://developers.weixin.qq.com/doc/subscription/api/customer/message/api_sendcustommessage.html, read 2026-11).
import { z } from 'zod';
import { Invalid } from '../../core/errors.ts';
import type { TurnRequest } from '../../core/messages.ts';

/** Messages that may follow what a person wrote, within 48 hours. */
export const PER_MESSAGE = 5;
/** Messages that may follow a press in the menu, within a minute. */
export const PER_CLICK = 3;

const schema = z.object({ openId: z.string(), allowance: z.int().positive() });

export type WechatReplyTarget = z.infer<typeof schema>;

export function replyTargetOf(request: TurnRequest): WechatReplyTarget {
  const parsed = schema.safeParse(request.replyTarget);
  if (parsed.success) return parsed.data;
  throw new Invalid('bad-reply-target', 'The reply target of this turn is not a WeChat one.');
}
