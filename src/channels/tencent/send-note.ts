// The note that a turn keeps in the ledger where little may be sent: which messages of its text were sent, when, and whether
// something of it is still owed. Other turns of the conversation read it, too.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Json } from '../../core/messages.ts';

const schema = z.object({
  version: z.literal(1),
  /** When this turn sent something, epoch milliseconds. */
  sends: z.array(z.number()),
  /** Turns before this one whose text stands in front of this one's. */
  carries: z.array(z.string()),
  /** The text, those included, that `sent` counts messages of. */
  of: z.string().nullable(),
  sent: z.int().nonnegative(),
  /** A message was begun, and what became of it is not known. `again`: for the second time. */
  trying: z.enum(['once', 'again']).nullable(),
  /** The turn ended before everything was sent: a later one brings the rest. */
  owes: z.boolean(),
  /** The person was told what is waited for. */
  told: z.boolean(),
});

export type SendNote = z.infer<typeof schema>;

const EMPTY: SendNote = {
  version: 1,
  sends: [],
  carries: [],
  of: null,
  sent: 0,
  trying: null,
  owes: false,
  told: false,
};

export function readNote(value: Json | null): SendNote {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : EMPTY;
}

export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
