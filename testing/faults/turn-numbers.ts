// Which of the run's numbers a turn has. Most texts hold it; a command or a press does not, so it is written down in the run's
// folder, where every process finds it, before the message can be on its way.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SessionKey, TurnId } from '../../src/core/ids.ts';
import { numberIn } from './planned.ts';

export const TURNS_FOLDER = 'turn-numbers';

export function noteTurnNumber(folder: string, turnId: TurnId, number: number): void {
  writeFileSync(join(folder, TURNS_FOLDER, turnId), String(number));
}

export function numberOfTurn(folder: string, turnId: string): number | null {
  try {
    return Number(readFileSync(join(folder, TURNS_FOLDER, turnId), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return null;
  }
}

const SCHEDULING_FOLDER = 'scheduling';

/** A conversation that may have schedules, for whoever plays the clock. */
export function noteScheduling(folder: string, key: SessionKey): void {
  mkdirSync(join(folder, SCHEDULING_FOLDER), { recursive: true });
  writeFileSync(join(folder, SCHEDULING_FOLDER, Buffer.from(key).toString('base64url')), '');
}

export function schedulingKeys(folder: string): SessionKey[] {
  mkdirSync(join(folder, SCHEDULING_FOLDER), { recursive: true });
  return readdirSync(join(folder, SCHEDULING_FOLDER)).map(
    (name) => Buffer.from(name, 'base64url').toString() as SessionKey,
  );
}

export const numberOfRequest = (
  folder: string,
  request: { readonly turnId: string; readonly text: string },
): number | null => numberIn(request.text) ?? numberOfTurn(folder, request.turnId);
