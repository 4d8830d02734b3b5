// What an append changes in the facts that lists show: when the main transcript last grew, and the SDK's summary of it.
import { foldSessionSummary, type SessionStoreEntry } from '@anthropic-ai/claude-agent-sdk';
import type { Json } from '../core/messages.ts';
import { isMain, type SessionName } from './keys.ts';
import type { Line } from './known-entries.ts';
import { parseLine } from './reading.ts';
import type { TranscriptFacts } from './transcript-state.ts';

/** A larger summary would crowd the head; the SDK then reads the transcript instead. */
const MAX_SUMMARY_CHARS = 50_000;

/** True when the lines carry the conversation on; titles and tags alone do not. */
export function movesOn(lines: readonly Line[]): boolean {
  return lines.some((line) => line.uuid !== null);
}

export function factsAfter(
  facts: TranscriptFacts,
  added: ReadonlyMap<string, readonly Line[]>,
  at: { readonly name: SessionName; readonly generation: number; readonly nowMs: number },
): TranscriptFacts {
  const movedAt = [...added.values()].some(movesOn) ? at.generation : facts.movedAt;
  const main = [...added].find(([file]) => isMain(file))?.[1];
  if (main === undefined) return { ...facts, movedAt };
  // Never backwards, whatever the clock of this machine says.
  const mtime = Math.max(facts.mtime + 1, at.nowMs);
  // Once dropped for its size it stays dropped: a fold over the rest alone would be wrong.
  if (facts.summary === null && facts.mtime > 0) return { ...facts, movedAt, mtime };
  const { sessionId } = at.name;
  const before = facts.summary === null ? undefined : { sessionId, mtime: facts.mtime, data: facts.summary };
  const entries = main.map(({ json }) => parseLine(json) as SessionStoreEntry);
  const json = JSON.stringify(foldSessionSummary(before, at.name, entries, { mtime }).data);
  const summary = json.length > MAX_SUMMARY_CHARS ? null : (JSON.parse(json) as Record<string, Json>);
  return { v: 1, mtime, movedAt, summary };
}
