// All that is needed to answer a WeCom message from another machine: an address that takes one message within an hour.
import { z } from 'zod';
import { Invalid } from '../../core/errors.ts';
import type { TurnRequest } from '../../core/messages.ts';

/** As documented (https://developer.work.weixin.qq.com/document/path/101138, read 2026-11), less a minute for the way. */
export const ANSWER_WITHIN_MS = 59 * 60_000;

const schema = z.object({ responseUrl: z.url(), untilMs: z.number() });

export type WecomReplyTarget = z.infer<typeof schema>;

export function replyTargetOf(request: TurnRequest): WecomReplyTarget {
  const parsed = schema.safeParse(request.replyTarget);
  if (parsed.success) return parsed.data;
  throw new Invalid('bad-reply-target', 'The reply target of this turn is not a WeCom one.');
}
