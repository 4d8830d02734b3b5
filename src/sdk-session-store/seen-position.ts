// Where the conversation stood when this instance loaded it or last wrote to it. Going on from there after somebody
// else has carried it on would interleave two conversations, so it is refused until the session is loaded again.
// An instance that has neither loaded nor written has seen no position and may append; titles and tags move nothing.
import { Conflict } from '../core/errors.ts';
import type { SessionHead } from '../core/records.ts';
import { newest } from '../state/record.ts';
import { readTranscriptState } from './transcript-state.ts';

export interface SeenPosition {
  readonly sessionId: string | null;
  /** Throws Conflict('writer-replaced') when the conversation moved on without us. */
  check(head: SessionHead | null): void;
  loaded(head: SessionHead | null): void;
  /** About to commit this pack: should the answer be lost, it is recognised as ours later. */
  writing(pack: string, moves: boolean): void;
  written(sessionId: string, generation: number, moves: boolean): void;
  reset(): void;
}

export function createSeenPosition(): SeenPosition {
  let at: { readonly sessionId: string | null; readonly movedAt: number } | null = null;
  let replaced = false;
  const unsure = new Set<string>();

  return {
    get sessionId() {
      return at?.sessionId ?? null;
    },

    check(head) {
      if (at === null) return;
      const state = head && readTranscriptState(head);
      const movedAt = state?.facts.movedAt ?? 0;
      if (head && state && movedAt === head.generation) {
        const packs = [...newest(state.record).packs, ...state.record.garbage];
        if (packs.some((pack) => unsure.has(pack.name))) at = { sessionId: head.sessionId, movedAt };
      }
      unsure.clear();
      const gone = at.sessionId !== null && at.sessionId !== (head?.sessionId ?? null);
      if (gone || at.movedAt !== movedAt) replaced = true;
      if (!replaced) return;
      throw new Conflict('writer-replaced', 'Another writer has carried this session on.', {
        advice: 'Load the session again to go on from where it is now.',
      });
    },

    loaded(head) {
      const state = head && readTranscriptState(head);
      at = { sessionId: head?.sessionId ?? null, movedAt: state?.facts.movedAt ?? 0 };
      replaced = false;
      unsure.clear();
    },

    writing(pack, moves) {
      if (moves) unsure.add(pack);
    },

    written(sessionId, generation, moves) {
      unsure.clear();
      if (moves) at = { sessionId, movedAt: generation };
      else if (at?.sessionId === null) at = { ...at, sessionId };
    },

    reset() {
      at = null;
      replaced = false;
      unsure.clear();
    },
  };
}
