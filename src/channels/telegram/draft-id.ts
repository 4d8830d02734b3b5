// The number of the draft that shows a turn, made from the turn's id: a press of its button tells which turn to stop, and a
// later attempt of the turn shows the same draft.
import { createHash } from 'node:crypto';
import type { TurnId } from '../../core/ids.ts';

/** Never zero, which Telegram refuses. */
export function draftIdOf(turnId: TurnId): number {
  return createHash('sha256').update(turnId).digest().readUInt32BE() & 0x7fffffff || 1;
}
