// What people write to a turn that runs (`/btw`): it is offered to the agent, who takes it at its next step. Taken, its
// line in the ledger is closed by the running turn, as that of a part of a paste is. Not taken before the turn ended, it is
// the next turn: its own message has been in the queue all the time. So it is answered once, whoever dies when.
//
//   line queued -> offered to the host -> in the conversation -> `took` -> line closed (fenced) -> the turn commits
//
// Cut off between the last two, the message is in the conversation under an id made from its turn's: whoever offers it
// again, or runs it as a turn of its own, finds it there and does not say it twice (src/agent/continuation.ts).
import { Conflict } from './errors.ts';
import type { TurnId } from './ids.ts';
import { errorFields, type Log } from './log.ts';
import type { SessionStore, Steering, SteeringMessage } from './ports.ts';
import type { Lease } from './records.ts';

const LOOKED_AT = 20;

export interface SteeredTurn extends Steering {
  /** Looks for what was written since; harmless at any time. */
  look(): Promise<void>;
  /** Resolves when the lines of all that the agent took are closed. Throws when one could not be. */
  settled(): Promise<void>;
}

export interface SteeringOptions {
  readonly store: Pick<SessionStore, 'listTurns' | 'gather'>;
  readonly lease: Lease;
  readonly turnId: TurnId;
  readonly log: Log;
}

export function createSteering({ store, lease, turnId, log }: SteeringOptions): SteeredTurn {
  const offered = new Set<TurnId>();
  const taken = new Map<TurnId, Promise<void>>();
  let offer: ((message: SteeringMessage) => void) | null = null;

  async function close(id: TurnId): Promise<void> {
    try {
      await store.gather({ lease, turnId, followers: [id] });
    } catch (error) {
      // Somebody closed or erased it meanwhile: there is nothing left to be answered.
      if (!(error instanceof Conflict && error.code === 'not-queued')) throw error;
      log('warn', 'steering-not-closed', { turn: id, ...errorFields(error) });
    }
  }

  async function look(): Promise<void> {
    if (!offer) return;
    try {
      const { items } = await store.listTurns(lease.sessionKey, { limit: LOOKED_AT });
      for (const { turnId: id, kind, status, stopRequested, text } of items) {
        if (!offer) return;
        if (kind !== 'steer' || status !== 'queued' || stopRequested || offered.has(id)) continue;
        offered.add(id);
        offer({ turnId: id, text });
      }
    } catch (error) {
      log('warn', 'steering-not-seen', { turn: turnId, ...errorFields(error) });
    }
  }

  return {
    look,
    listen(take) {
      offer = take;
      return () => {
        offer = null;
        // A later run of the same turn may be offered what this one did not take.
        for (const id of offered) if (!taken.has(id)) offered.delete(id);
      };
    },
    took(id) {
      if (!offered.has(id) || taken.has(id)) return;
      const closing = close(id);
      closing.catch(() => {});
      taken.set(id, closing);
    },
    async settled() {
      await Promise.all(taken.values());
    },
  };
}
