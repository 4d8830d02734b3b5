// Which turns wait for a part that is away, as the workers said last: what makes the server "degraded". Known from the
// first try on; a server that was restarted knows of a turn again when it is next tried.
import type { WaitingFor } from '../core/ports.ts';
import type { Outage } from '../core/waiting.ts';
import type { WorkerNote } from './worker-notes.ts';

export interface WaitingTurns {
  take(note: WorkerNote): void;
  count(waitingFor: WaitingFor): number;
  /** One for each part: since its first try that failed, until the next one. */
  list(): readonly Outage[];
}

export const WAITED_FOR: readonly WaitingFor[] = ['model', 'store', 'setup'];

/** A try that is so much overdue was made elsewhere, or its message was erased. */
const OVERDUE_MS = 15 * 60_000;

export function createWaitingTurns(now: () => number): WaitingTurns {
  const turns = new Map<string, Outage>();
  /** A try that failed is told in two notes; between them the outage is not over. */
  const between = new Map<string, Outage>();

  function waitingFor(part: WaitingFor): readonly Outage[] {
    const oldest = now() - OVERDUE_MS;
    for (const [turn, { nextTryAtMs }] of turns) if (nextTryAtMs < oldest) turns.delete(turn);
    return [...turns.values()].filter((turn) => turn.waitingFor === part);
  }

  return {
    take(note) {
      if (note.event !== 'turn-ended' && note.event !== 'turn-waits') return;
      const before = turns.get(note.turn) ?? between.get(note.turn);
      turns.delete(note.turn);
      between.delete(note.turn);
      if (note.event === 'turn-ended') {
        // A retry that waits for something says so right after it.
        if (note.outcome === 'retry' && before) between.set(note.turn, before);
        return;
      }
      const sinceMs = before?.waitingFor === note.waitingFor ? before.sinceMs : now();
      turns.set(note.turn, { waitingFor: note.waitingFor, sinceMs, nextTryAtMs: now() + note.nextTryInMs });
    },
    count: (part) => waitingFor(part).length,
    list: () =>
      WAITED_FOR.flatMap((part) => {
        const waits = waitingFor(part);
        if (waits.length === 0) return [];
        const sinceMs = Math.min(...waits.map((turn) => turn.sinceMs));
        return [
          { waitingFor: part, sinceMs, nextTryAtMs: Math.min(...waits.map((turn) => turn.nextTryAtMs)) },
        ];
      }),
  };
}
