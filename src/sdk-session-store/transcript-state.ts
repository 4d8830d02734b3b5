// The head's `state` of a session kept for the SDK: the state layer's own record of packs, and beside it what lists
// need, so that listing reads no pack.
import { z } from 'zod';
import { Corrupt } from '../core/errors.ts';
import type { Json } from '../core/messages.ts';
import type { SessionHead } from '../core/records.ts';
import { encodeRecord, parseRecord, type StateRecord } from '../state/record.ts';

const factsSchema = z.object({
  v: z.literal(1),
  /** Epoch milliseconds of the last append to the main transcript; 0 while it has none. Only ever grows. */
  mtime: z.int().nonnegative(),
  /** Generation that last brought entries with a uuid: the conversation itself moved on there. */
  movedAt: z.int().nonnegative(),
  /** The SDK's own summary, kept as it is; null when there is none, or when it is too large to keep. */
  summary: z.record(z.string(), z.json()).nullable(),
});

export type TranscriptFacts = z.infer<typeof factsSchema>;

export const NO_FACTS: TranscriptFacts = { v: 1, mtime: 0, movedAt: 0, summary: null };

export interface TranscriptState {
  readonly record: StateRecord;
  readonly facts: TranscriptFacts;
}

/** null for a session nothing was appended to yet. Throws Corrupt. */
export function readTranscriptState(head: Pick<SessionHead, 'generation' | 'state'>): TranscriptState | null {
  const record = parseRecord(head.state);
  if (record === null) {
    if (head.generation === 0) return null;
    throw new Corrupt('corrupt-state', `The head is at generation ${head.generation} but has no state.`);
  }
  return { record, facts: factsOf(head.state) };
}

/** Throws Corrupt when the head's state is none of ours. */
export function factsOf(state: Json | null): TranscriptFacts {
  const found = factsSchema.safeParse((state as { transcript?: unknown } | null)?.transcript);
  if (found.success) return found.data;
  throw new Corrupt('corrupt-state', 'The head of a transcript is malformed.', { cause: found.error });
}

export function encodeTranscriptState({ record, facts }: TranscriptState): Json {
  return { ...(encodeRecord(record) as Record<string, Json>), transcript: facts };
}
