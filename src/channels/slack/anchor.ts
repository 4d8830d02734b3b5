// The note a Slack turn keeps in the ledger: which messages are its own. A message is edited only once its `ts` stands
// here, so another worker that takes the turn over edits the same messages instead of sending new ones.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Json } from '../../core/messages.ts';
import type { Reply } from '../../core/records.ts';

const schema = z.object({
  version: z.literal(1),
  /** Messages that hold, or will hold, the reply's parts, in order. */
  parts: z.array(z.string()),
  /** Messages to delete: placeholders of an earlier attempt that a paused worker may still write into. */
  discard: z.array(z.string()),
  /** The first `landed` parts hold the final text of the reply with digest `of`. */
  landed: z.number().int().nonnegative(),
  of: z.string().nullable(),
  /**
   * Messages of files: the first `landed` are in the conversation. `begun`: uploads of the next one, by file, recorded before they are
   * shown; or why there is none. `message`: what says so.
   */
  files: z
    .object({
      landed: z.number().int().nonnegative(),
      begun: z.array(z.union([z.object({ id: z.string() }), z.object({ reason: z.string() })])).optional(),
      message: z.string().optional(),
    })
    .optional(),
  /** The attempt that sent these messages is over, and waits: it writes no more, so the next one goes on in them. */
  waits: z.literal(true).optional(),
});

export type SlackAnchor = z.infer<typeof schema>;

const EMPTY: SlackAnchor = { version: 1, parts: [], discard: [], landed: 0, of: null };

/** What the ledger holds; nothing recorded (or nothing we wrote) is an empty note. */
export function readAnchor(value: Json | null): SlackAnchor {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : EMPTY;
}

export function digestOf(reply: Reply): string {
  return createHash('sha256').update(reply.text).digest('hex').slice(0, 16);
}
