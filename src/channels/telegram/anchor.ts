// The note a Telegram turn keeps in the ledger: which messages are its own. A message is edited only once its id
// stands here, so another worker that takes the turn over edits the same messages instead of sending new ones.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Json } from '../../core/messages.ts';
import type { Reply } from '../../core/records.ts';

const schema = z.object({
  version: z.literal(1),
  /** Messages that hold, or will hold, the reply's parts, in order. */
  parts: z.array(z.number().int()),
  /** Messages to delete: placeholders of an earlier attempt that a paused worker may still write into. */
  discard: z.array(z.number().int()),
  /** The first `landed` parts hold the final text of the reply with digest `of`. */
  landed: z.number().int().nonnegative(),
  of: z.string().nullable(),
  /** The chat that `parts` are in, where it is not the one that was written to: a group became a supergroup. */
  chatId: z.number().int().optional(),
  /** The topic that this turn opened. */
  topic: z.number().int().optional(),
  /**
   * Batches of files: the first `landed` are in the chat. `message`: of the next one, what it is put into. `begun`: that one was
   * sent as an album, and its answer has not been seen.
   */
  files: z
    .object({
      landed: z.number().int().nonnegative(),
      message: z.number().int().optional(),
      begun: z.number().int().optional(),
    })
    .optional(),
  /** The attempt that sent these messages is over, and waits: it writes no more, so the next one goes on in them. */
  waits: z.literal(true).optional(),
});

export type TelegramAnchor = z.infer<typeof schema>;

const EMPTY: TelegramAnchor = { version: 1, parts: [], discard: [], landed: 0, of: null };

/** What the ledger holds; nothing recorded (or nothing we wrote) is an empty note. */
export function readAnchor(value: Json | null): TelegramAnchor {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : EMPTY;
}

/** Nothing of the old chat can be changed any more: all begins anew in the one it has become. */
export function movedAnchor(chatId: number): TelegramAnchor {
  return { ...EMPTY, chatId };
}

export function digestOf(reply: Reply): string {
  return createHash('sha256').update(reply.text).digest('hex').slice(0, 16);
}
