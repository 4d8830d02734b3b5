// What worker processes tell the server of their turns, for `/metrics` and `/healthz`: taken from the log where it is said,
// so that the two cannot differ. No text, no name of a person or a chat.
import { z } from 'zod';
import type { LogFields } from '../core/log.ts';
import { WHY_EVICTED } from '../host/hot-reasons.ts';

const noteSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('turn-ended'),
    turn: z.string(),
    outcome: z.enum(['done', 'dead', 'retry', 'continue']),
    reason: z.string().optional(),
    waitedMs: z.number(),
    tookMs: z.number(),
  }),
  z.object({
    event: z.literal('turn-waits'),
    turn: z.string(),
    waitingFor: z.enum(['model', 'store', 'setup']),
    nextTryInMs: z.number(),
  }),
  z.object({
    event: z.literal('agent-started'),
    start: z.enum(['hot', 'cold']),
    why: z.enum(WHY_EVICTED).default('first'),
  }),
  z.object({ event: z.literal('hot-ended'), why: z.enum(WHY_EVICTED) }),
]);

export type WorkerNote = z.infer<typeof noteSchema>;

/** null for everything that nobody counts. */
export function noteOf(event: string, fields: LogFields = {}): WorkerNote | null {
  return noteSchema.safeParse({ ...fields, event }).data ?? null;
}
