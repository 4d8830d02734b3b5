// What people write to a turn that runs (`/btw`): it is offered to the agent, who takes it at its next step. When what the
// agent did is saved, the line in the ledger is closed by the running turn, as that of a part of a paste is. Not taken before
// the turn ended, it is the next turn: its own message has been in the queue all the time. So it is answered once, whoever
// dies when.
//
//   line queued -> offered to the host -> in the conversation -> `took` -> saved -> line closed (fenced) -> the turn commits
//
// Cut off before it is closed, it still waits. Cut off between the last two, its line names the turn that took it, and the
// next attempt of that turn offers it again. Either way it may be in the conversation already, under an id made from its
// turn's: whoever offers it, or runs it as a turn of its own, finds it there and does not say it twice
// (src/agent/continuation.ts).
import { Conflict } from './errors.ts';
import type { TurnId } from './ids.ts';
import { errorFields, type Log } from './log.ts';
import type { SessionStore, Steering, SteeringMessage } from './ports.ts';
import type { Lease, TurnRecord } from './records.ts';

const LOOKED_AT = 20;

export interface SteeredTurn extends Steering {
  /** Looks for what was written since; harmless at any time. */
  look(): Promise<void>;
  /** Of a turn that is run again: what an earlier attempt has taken is to be offered first. */
  recall(): Promise<void>;
  /** Closes the lines of all that the agent took. Throws when one could not be. */
  settle(): Promise<void>;
}

export interface SteeringOptions {
  readonly store: Pick<SessionStore, 'listTurns' | 'gather'>;
  readonly lease: Lease;
  readonly turnId: TurnId;
  readonly log: Log;
}

export function createSteering({ store, lease, turnId, log }: SteeringOptions): SteeredTurn {
  const seen = new Map<TurnId, SteeringMessage>();
  const offered = new Set<TurnId>();
  const taken = new Set<TurnId>();
  const closed = new Set<TurnId>();
  let offer: ((message: SteeringMessage) => void) | null = null;

  async function close(id: TurnId): Promise<void> {
    try {
      await store.gather({ lease, turnId, followers: [id] });
    } catch (error) {
      // Somebody closed or erased it meanwhile: there is nothing left to be answered.
      if (!(error instanceof Conflict && error.code === 'not-queued')) throw error;
      log('warn', 'steering-not-closed', { turn: id, ...errorFields(error) });
    }
    closed.add(id);
  }

  function offerSeen(): void {
    for (const [id, message] of seen) {
      if (!offer) return;
      if (offered.has(id)) continue;
      offered.add(id);
      offer(message);
    }
  }

  async function find(isMeant: (line: TurnRecord) => boolean): Promise<void> {
    const { items } = await store.listTurns(lease.sessionKey, { limit: LOOKED_AT });
    for (const line of items) {
      const { turnId: id, kind, text } = line;
      if (kind === 'steer' && isMeant(line)) seen.set(id, { turnId: id, text });
    }
  }

  return {
    async look() {
      if (!offer) return;
      try {
        await find(({ status, stopRequested }) => status === 'queued' && !stopRequested);
        offerSeen();
      } catch (error) {
        log('warn', 'steering-not-seen', { turn: turnId, ...errorFields(error) });
      }
    },
    async recall() {
      await find(({ reply }) => reply?.takenBy === turnId);
      for (const id of seen.keys()) closed.add(id);
    },
    listen(take) {
      offer = take;
      offerSeen();
      return () => {
        offer = null;
        // A later run of the same turn may be offered what this one did not take.
        for (const id of offered) if (!taken.has(id)) offered.delete(id);
      };
    },
    took(id) {
      if (offered.has(id)) taken.add(id);
    },
    async settle() {
      await Promise.all([...taken].filter((id) => !closed.has(id)).map(close));
    },
  };
}
