// A timer of the platform rang: its message fires the schedule that is due by it. It is no turn of the conversation, so it has no
// line in the ledger, no lease and a place of its own in the queue: it does not wait behind the turn that runs, which
// may be the one that the schedule's overlap policy is about. The turn that it makes does.
import type { Conversation } from './ids.ts';
import { errorFields } from './log.ts';
import { type TurnRequest, turnRequest } from './messages.ts';
import type { ScheduleTimer } from './ports/schedules.ts';
import { mayPass } from './retry-write.ts';
import type { TurnDeps, TurnOutcome } from './running-turn.ts';
import type { ScheduleId } from './schedule.ts';
import { outageWaitMs } from './waiting.ts';

/** A timer that came early is no mistake of this size: clocks differ. */
const MAX_EARLY_MS = 60_000;

/** What a timer puts into the queue. A queue that knows messages by their content must not take a second ring for the first. */
export function dueRequest(
  conversation: Conversation,
  id: ScheduleId,
  dueMs: number,
  ringsAtMs: number,
): TurnRequest {
  const dedupeId = `due/${id}/${dueMs}`;
  return turnRequest({
    conversation,
    dedupeId,
    kind: 'due',
    text: `${id} ${dueMs}`,
    receivedAtMs: ringsAtMs,
  });
}

export async function fireDue(deps: TurnDeps, request: TurnRequest, receives: number): Promise<TurnOutcome> {
  const { scheduling, log } = deps;
  const timer = timerOf(request);
  if (!scheduling) {
    // The timer stays, and rings again.
    log('error', 'schedule-not-fired', { alarm: true, schedule: timer.id, reason: 'no-schedules-here' });
    return { kind: 'done' };
  }
  try {
    const earlyMs = await scheduling.fireDue(timer);
    if (earlyMs === null) return { kind: 'done' };
    return { kind: 'retry', afterMs: Math.min(earlyMs, MAX_EARLY_MS), reason: 'schedule-not-due' };
  } catch (error) {
    log('error', 'schedule-not-fired', { schedule: timer.id, receives, ...errorFields(error) });
    const reason = 'schedule-not-fired';
    // However long it takes: nobody is told of it, and a wake-up that is dropped would be missed in silence.
    if (!mayPass(error)) return { kind: 'retry', afterMs: outageWaitMs(receives), reason };
    return { kind: 'retry', afterMs: outageWaitMs(receives), reason, waitingFor: 'store' };
  }
}

function timerOf({ sessionKey, text }: TurnRequest): ScheduleTimer {
  const [id = '', due = ''] = text.split(' ');
  return { sessionKey, id: id as ScheduleId, dueMs: Number(due) };
}
