// A stop by conversation, for channels whose people do not know turns: whatever has not come to its end yet. It goes
// past the queue, straight to the ledger, where the running worker hears it within a second or two.
import { Gone } from './errors.ts';
import { type SessionKey, tenantOf } from './ids.ts';
import type { SessionStore } from './ports.ts';
import { isCommitted, type TurnRecord } from './records.ts';

/** So many of the newest turns are looked at: a conversation with more waiting is not stopped by one word. */
const LOOKED_AT = 100;

/** Returns how many turns were asked to stop. Only messages are work to be stopped. */
export async function stopTurns(
  store: Pick<SessionStore, 'listTurns' | 'requestStop'>,
  key: SessionKey,
  applies: (turn: TurnRecord) => boolean = () => true,
): Promise<number> {
  const { items } = await store.listTurns(key, { limit: LOOKED_AT });
  const unfinished = items.filter((turn) => !isCommitted(turn) && turn.kind === 'message' && applies(turn));
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
