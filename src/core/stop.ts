// Stops every unfinished turn of a conversation, for channels whose users cannot name a turn. The request is written to
// the ledger, not to the queue, and the running worker finds it there within a second or two.
import { Gone } from './errors.ts';
import { type SessionKey, tenantOf } from './ids.ts';
import type { SessionStore } from './ports.ts';
import { isCommitted, type TurnRecord } from './records.ts';

/** At most this many of the newest turns are stopped by one request. */
const LOOKED_AT = 100;

/** Returns how many turns were asked to stop. Only messages are work to be stopped. */
export async function stopTurns(
  store: Pick<SessionStore, 'listTurns' | 'requestStop'>,
  key: SessionKey,
  applies: (turn: TurnRecord) => boolean = () => true,
): Promise<number> {
  const { items } = await store.listTurns(key, { limit: LOOKED_AT });
  const unfinished = items.filter(
    (turn) => !isCommitted(turn) && (turn.kind === 'message' || turn.kind === 'steer') && applies(turn),
  );
  const asked = await Promise.all(
    unfinished.map(async ({ turnId }) => {
      try {
        return !isCommitted(await store.requestStop(tenantOf(key), turnId));
      } catch (error) {
        if (error instanceof Gone) return false;
        throw error;
      }
    }),
  );
  return asked.filter(Boolean).length;
}
