// What becomes of a wake-up whose gate kept the agent from being woken (src/agent/gate.ts): a reply that is in the run log, and in
// the chat only when the gate failed. Of a gate that fails again and again the chat is told once.
import { tenantOf } from './ids.ts';
import type { AgentOutcome } from './ports.ts';
import type { Reply } from './records.ts';
import { failedReply } from './replies.ts';
import type { RunningTurn } from './running-turn.ts';
import { scheduleOfWakeUp } from './scheduling.ts';

export const GATE_CLOSED = 'gate-closed';
export const GATE_FAILED = 'gate-failed';

export async function gateReply(
  running: RunningTurn,
  { verdict, said }: NonNullable<AgentOutcome['gate']>,
): Promise<Reply> {
  if (verdict === 'closed') return { outcome: 'ok', code: GATE_CLOSED, text: said, quiet: true };
  const { turnId, context } = running.request;
  const { name = '', gate = '' } = context?.wakeUp ?? {};
  const text = `The gate \`${gate}\` of “${name}” failed, so I was not woken. ${said}`;
  const reply = failedReply(GATE_FAILED, text, turnId);
  return (await failedBefore(running)) ? { ...reply, quiet: true } : reply;
}

/** The run before has told it already. */
async function failedBefore({ deps, request }: RunningTurn): Promise<boolean> {
  const key = request.sessionKey;
  const id = scheduleOfWakeUp(request);
  const schedule = (await deps.scheduling?.list(key))?.find((one) => one.id === id);
  const before = schedule?.runs.findLast(({ turnId }) => turnId !== null && turnId !== request.turnId);
  if (!before?.turnId) return false;
  const turn = await deps.store.getTurn(tenantOf(key), before.turnId as typeof request.turnId);
  return turn?.reply?.code === GATE_FAILED;
}
