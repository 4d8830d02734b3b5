// The record of turns whose replies have come with a later one. For the record only: no later turn brings them again, since
// the note of the one that did names them.
import { isLeaseLost } from '../../core/errors.ts';
import type { TurnId } from '../../core/ids.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { SendContext } from '../../core/ports.ts';

export async function tellBrought(
  log: Log,
  { earlier, request }: SendContext,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids) {
    try {
      await earlier?.brought(id as TurnId);
    } catch (error) {
      if (isLeaseLost(error)) throw error;
      log('warn', 'brought-not-recorded', { turn: request.turnId, brought: id, ...errorFields(error) });
    }
  }
}
