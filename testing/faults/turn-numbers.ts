// Which of the run's numbers a turn has. Most texts hold it; a command or a press does not, so it is written down in the run's
// folder, where every process finds it, before the message can be on its way.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TurnId } from '../../src/core/ids.ts';
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

export const numberOfRequest = (
  folder: string,
  request: { readonly turnId: string; readonly text: string },
): number | null => numberIn(request.text) ?? numberOfTurn(folder, request.turnId);
