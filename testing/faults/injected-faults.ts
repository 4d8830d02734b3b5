// Finds the fault of the plan that is due in this process at this point, and writes the history that all processes of a
// run share. A process claims a fault by creating a file that must not exist yet, so each fault happens only once,
// however many processes and attempts reach it.
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Place, PlannedFault } from './planned.ts';

export interface HistoryLine {
  readonly atMs: number;
  /** `worker-2`, `server`, `kit` ... */
  readonly who: string;
  readonly what: string;
  readonly message?: number | null;
  readonly [field: string]: unknown;
}

export type Note = (what: string, fields?: Readonly<Record<string, unknown>>) => void;

export function createNote(folder: string, who: string, now: () => number = Date.now): Note {
  const path = join(folder, 'history.jsonl');
  return (what, fields = {}) =>
    appendFileSync(path, `${JSON.stringify({ atMs: now(), who, what, ...fields })}\n`);
}

export interface InjectedFaults {
  /** Claims the fault that waits at this place for this message, if there is one left. */
  take(place: Place, message: number | null): PlannedFault | null;
}

export function createInjectedFaults(
  folder: string,
  planned: readonly PlannedFault[],
  note: Note,
): InjectedFaults {
  const passed = new Map<string, number>();
  return {
    take(place, message) {
      if (message === null) return null;
      for (const fault of planned) {
        if (fault.message !== message || fault.place !== place) continue;
        const seen = passed.get(fault.id) ?? 0;
        passed.set(fault.id, seen + 1);
        if (seen < (fault.after ?? 0) || !claim(join(folder, 'injected', fault.id))) continue;
        note('fault', { message, place, how: fault.how, ms: fault.ms, id: fault.id });
        return fault;
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
