// What a turn's agent is told of its chat's schedules, and what becomes of its orders: checked here, committed with the reply,
// and applied after the commit (see `finish` in turn.ts).
import { DAY_SEC } from './defaults.ts';
import { writtenIn } from './messages.ts';
import type { AgentOutcome } from './ports.ts';
import { speakerOf } from './principal.ts';
import type { Reply } from './records.ts';
import type { RunningTurn } from './running-turn.ts';
import { isOpen, MAX_SCHEDULES } from './schedule.ts';
import { scheduleText } from './schedule-commands.ts';
import { type AgentScheduling, checkOrders } from './schedule-orders.ts';

export async function schedulingFor({ deps, request }: RunningTurn): Promise<AgentScheduling | undefined> {
  const { scheduling } = deps;
  if (!scheduling) return undefined;
  const key = writtenIn(request);
  const [timeZone, schedules] = await Promise.all([scheduling.chosenTimeZone(key), scheduling.list(key)]);
  return {
    timeZone,
    keptDays: Math.floor(deps.retentionSec / DAY_SEC),
    schedules: schedules
      .filter(isOpen)
      .filter((_, at) => at < MAX_SCHEDULES)
      .map((one) => ({ id: one.id, name: one.name, what: scheduleText(one) })),
  };
}

/** The reply with the orders that hold, and words about those that do not. */
export async function withSchedules(
  { deps, request }: RunningTurn,
  { schedules: ordered }: AgentOutcome,
  reply: Reply,
): Promise<Reply> {
  const { scheduling, clock } = deps;
  if (!ordered || !scheduling) return reply;
  const schedules = await scheduling.list(writtenIn(request));
  const { orders, refused } = checkOrders(ordered, schedules, speakerOf(request), clock.now());
  const text = [reply.text, ...refused.map((why) => `_${why}_`)].join('\n\n');
  return { ...reply, text, ...(orders.length > 0 && { schedules: orders }) };
}
