// A process's share of the plan: which strike is due here and now, and the history that all processes of a run write
// together. A strike is claimed by making a file that must not exist yet, so it happens once however many processes
// and attempts come by.
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Place, Strike } from './plan.ts';

export interface HistoryLine {
  readonly atMs: number;
  /** `worker-2`, `server`, `kit` ... */
  readonly who: string;
  readonly what: string;
  readonly message?: number | null;
  readonly [field: string]: unknown;
}

export type Note = (what: string, fields?: Readonly<Record<string, unknown>>) => void;

export function createNote(folder: string, who: string): Note {
  const path = join(folder, 'history.jsonl');
  return (what, fields = {}) =>
    appendFileSync(path, `${JSON.stringify({ atMs: Date.now(), who, what, ...fields })}\n`);
}

export interface Strikes {
  /** Claims the strike that waits at this place for this message, if there is one left. */
  take(place: Place, message: number | null): Strike | null;
}

export function createStrikes(folder: string, planned: readonly Strike[], note: Note): Strikes {
  const passed = new Map<string, number>();
  return {
    take(place, message) {
      if (message === null) return null;
      for (const strike of planned) {
        if (strike.message !== message || strike.place !== place) continue;
        const seen = passed.get(strike.id) ?? 0;
        passed.set(strike.id, seen + 1);
        if (seen < (strike.after ?? 0) || !claim(join(folder, 'struck', strike.id))) continue;
        note('strike', { message, place, how: strike.how, ms: strike.ms, strike: strike.id });
        return strike;
      }
      return null;
    },
  };
}

function claim(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx'));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
