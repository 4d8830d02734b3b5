// All that is needed to answer a Slack message from another machine: plain JSON that travels with the turn.
import { z } from 'zod';
import { Invalid } from '../../core/errors.ts';
import type { TurnRequest } from '../../core/messages.ts';

/** Where a message goes. */
export interface Destination {
  readonly channel: string;
  readonly threadTs: string | null;
}

const schema = z.object({
  channel: z.string(),
  /** The thread that answers stand in; null where they stand in the conversation itself. */
  threadTs: z.string().nullable(),
  /** The message that is answered, or that has the pressed button. */
  messageTs: z.string().nullable(),
  /** Who is answered; absent in what was queued before this was asked for. */
  recipient: z.object({ user: z.string(), team: z.string() }).optional(),
});

export type SlackReplyTarget = z.infer<typeof schema>;

export function replyTargetOf(request: TurnRequest): SlackReplyTarget {
  const parsed = schema.safeParse(request.replyTarget);
  if (parsed.success) return parsed.data;
  throw new Invalid('bad-reply-target', 'The reply target of this turn is not a Slack one.');
}
