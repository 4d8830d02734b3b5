// Which turns wait for a part that is away, as the workers said last: what makes the server "degraded". Known from the
// first try on; a server that was restarted knows of a turn again when it is next tried.
import type { WaitingFor } from '../core/ports.ts';
import type { WorkerNote } from './worker-notes.ts';

export interface WaitingTurns {
  take(note: WorkerNote): void;
  count(waitingFor: WaitingFor): number;
  /** For a person, or null when nothing is waited for. */
  reason(): string | null;
}

export const WAITED_FOR: readonly WaitingFor[] = ['model', 'store', 'setup'];

/** A try that is so much overdue was made elsewhere, or its message was erased. */
const OVERDUE_MS = 15 * 60_000;

export function createWaitingTurns(now: () => number): WaitingTurns {
  const turns = new Map<string, { readonly waitingFor: WaitingFor; readonly nextTryAtMs: number }>();

  function count(waitingFor: WaitingFor): number {
    const oldest = now() - OVERDUE_MS;
    for (const [turn, { nextTryAtMs }] of turns) if (nextTryAtMs < oldest) turns.delete(turn);
    return [...turns.values()].filter((turn) => turn.waitingFor === waitingFor).length;
  }

  return {
    take(note) {
      if (note.event === 'turn-ended') turns.delete(note.turn);
      else {
        const { waitingFor, nextTryInMs } = note;
        turns.set(note.turn, { waitingFor, nextTryAtMs: now() + nextTryInMs });
      }
    },
    count,
    reason() {
      const parts = WAITED_FOR.map((part) => [part, count(part)] as const).filter(([, turns]) => turns > 0);
      if (parts.length === 0) return null;
      const said = parts.map(
        ([part, turns]) => `${turns} ${turns === 1 ? 'turn waits' : 'turns wait'} for the ${part}`,
      );
      return `${said.join(', ')}. Their messages are kept.`;
    },
  };
}
