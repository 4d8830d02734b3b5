// Commands that are answered without an agent: what stands where, what it has cost, what is scheduled, which commands there are.
// `/forget` answers, and what it forgets goes once the answer is out (see turn.ts).
import { awaySince, handoffText } from './away.ts';
import { chosenText, modelReply, modeReply } from './choice-commands.ts';
import { isEdit } from './edited-message.ts';
import { accountOf } from './erase-chat.ts';
import { forgetRefusal, linkNote, linkReply, linkStatus, unlinkReply } from './link-commands.ts';
import { newChatReply } from './newchat-command.ts';
import { helpText } from './offered-commands.ts';
import { type CommandResult, permissionsReply } from './permissions-command.ts';
import { isReaction } from './reaction-text.ts';
import { reactionReply } from './reactions.ts';
import { isCommitted } from './records.ts';
import type { RunningTurn } from './running-turn.ts';
import { schedulesReply, timeZoneReply } from './schedule-commands.ts';
import { infraText } from './turn-infra.ts';
import { startOf, tokensOf } from './usage-counters.ts';

/** Text of the command that erases a chat: what a person writes after having read what it does. */
export const FORGET = 'forget yes';
const LOOKED_AT = 200;

export async function commandReply(running: RunningTurn): Promise<CommandResult> {
  // What it changed was looked up by the turn of the message itself.
  if (isEdit(running.request)) return { reply: { outcome: 'ok', text: '', quiet: true } };
  if (isReaction(running.request)) return await reactionReply(running);
  const [name = '', ...words] = running.request.text.split(' ');
  const rest = words.join(' ');
  if (name === 'permissions') return permissionsReply(running, rest);
  if (name === 'mode') return modeReply(running, rest);
  if (name === 'model') return await modelReply(running, rest);
  if (name === 'newchat') return { reply: await newChatReply(running, rest) };
  if (name === 'link') return { reply: await linkReply(running, rest) };
  if (name === 'unlink') return { reply: await unlinkReply(running) };
  const text = await answerTo(name, running);
  return { reply: { outcome: 'ok', text } };
}

async function answerTo(name: string, running: RunningTurn): Promise<string> {
  switch (name) {
    case 'status':
      return await statusText(running);
    case 'cost':
      return await costText(running);
    case 'stop':
      return 'What came before is stopped.';
    case 'schedules':
      return await schedulesReply(running);
    case 'timezone':
      return await timeZoneReply(running);
    case 'forget':
      return forgetText(running);
    case 'linked':
    case 'unlinked':
      return linkNote(name, running.request.text.slice(name.length + 1));
    case 'handoff':
      return handoffText(running);
    default:
      return helpText(running.deps.commands);
  }
}

async function statusText(running: RunningTurn): Promise<string> {
  const { deps, request, head, record } = running;
  const { items } = await deps.store.listTurns(request.sessionKey, { limit: LOOKED_AT });
  const waiting = items.filter((turn) => !isCommitted(turn) && turn.turnId !== record.turnId).length;
  const last = items.findLast(
    (turn) => turn.reply?.contextTokens !== undefined && turn.sessionId === head.sessionId,
  );
  const undoable = deps.state.undoable(head).length;
  const context = last?.reply?.contextTokens;
  return [
    `Session \`${head.sessionId.slice(0, 8)}\`, version ${head.generation}; ${counted(undoable, 'turn')} can be undone.`,
    context === undefined
      ? ''
      : `The conversation takes about ${context.toLocaleString('en')} tokens of the model's context.`,
    awaySince(deps.state.awayOf(head)),
    await linkStatus(running),
    chosenText(head),
    `${waiting === 0 ? 'Nothing waits' : `${counted(waiting, 'message')} wait${waiting === 1 ? 's' : ''}`} behind this.`,
    `Kept until ${new Date(head.expiresAtSec * 1_000).toISOString().slice(0, 10)}, and longer with every message.`,
  ]
    .filter((line) => line !== '')
    .join('  \n');
}

async function costText({ deps, request }: RunningTurn): Promise<string> {
  if (!deps.usage) return 'Nothing is counted here.';
  const account = accountOf(request.sessionKey);
  const nowMs = deps.clock.now();
  const periods = ['day', 'month'] as const;
  const sums = await deps.usage.read(
    periods.map((period) => ({ ...account, period, start: startOf(period, nowMs) })),
  );
  const line = (name: string, at: number): string => {
    const used = sums[at];
    const tokens = used ? tokensOf(used) : 0;
    const usd = (used?.costNanoUsd ?? 0) / 1e9;
    return `${name}: ${tokens.toLocaleString('en')} tokens, about $${usd.toFixed(usd < 1 ? 4 : 2)}`;
  };
  const infra = await infraText(deps.store, request.sessionKey);
  return [
    'This chat, by the days and months of UTC.',
    line('Today', 0),
    line('This month', 1),
    ...(infra === null ? [] : [infra]),
  ].join('  \n');
}

function forgetText({ deps, request }: RunningTurn): string {
  if (!deps.forget) return 'This chat cannot be erased from here. Ask the operator.';
  const refusal = forgetRefusal(request);
  if (refusal !== null) return refusal;
  return request.text === FORGET
    ? 'Forgotten: what was said here, every file and every session of this chat. The next message begins anew.'
    : 'This erases what was said here, every file and every session of this chat, for good. Write `/forget yes` to do it.';
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
