// Somebody reacted to a message of the bot (a thumb, a heart). That is no message: nobody waits for an answer. It is an input
// of the conversation's queue, answered by nothing, which notes it in the session's head; the agent is shown it with the next
// message, and the turn that showed it takes the note away in its commit. So it is told once, whoever dies when.
import { z } from 'zod';
import { cutText } from '../text/cut-text.ts';
import { consentOf, MAX_REACTIONS, readableConsent } from './consent.ts';
import { Corrupt } from './errors.ts';
import type { TurnRequest } from './messages.ts';
import type { CommandResult } from './permissions-command.ts';
import type { Decision, NotNow, RunningTurn } from './running-turn.ts';

/** Begins the text of such an input. No command that people can write has this name. */
const REACTION = 'reaction';
const LOOKED_AT = 100;
const QUOTED = 200;

const reactionsSchema = z.array(z.string().max(64)).max(20);

/** The text of the input by which somebody reacts to the message `ref` of their platform; without any: takes it back. */
export function reactionText(ref: string, reactions: readonly string[]): string {
  return `${REACTION} ${ref}\n${JSON.stringify(reactions)}`;
}

export function isReaction({ kind, text }: Pick<TurnRequest, 'kind' | 'text'>): boolean {
  return kind === 'command' && /^reaction \S+\n/.test(text);
}

/** Notes it, if it is about one of this conversation's answers. */
export async function reactionReply({ deps, request, head, channel }: RunningTurn): Promise<CommandResult> {
  const reply = { outcome: 'ok', text: '', quiet: true } as const;
  const [first = '', ...rest] = request.text.split('\n');
  const ref = first.slice(REACTION.length + 1);
  const { data: reactions } = reactionsSchema.safeParse(parsed(rest.join('\n')));
  const { items } = await deps.store.listTurns(request.sessionKey, { limit: LOOKED_AT });
  const to = items.findLast(({ anchor }) => anchor !== null && channel.holds?.(anchor, ref));
  if (!reactions || !to?.reply) return { reply };
  const consent = readableConsent(head);
  const { id = null, name = null } = request.sender ?? {};
  const others = (consent.reactions ?? []).filter((one) => one.ref !== ref || one.by !== id);
  const noted = { ref, by: id, name, reactions, to: cutText(to.reply.text, QUOTED, '…') };
  const all = [...others, ...(reactions.length > 0 ? [noted] : [])];
  return { reply, consent: { ...consent, reactions: all.slice(-MAX_REACTIONS) } };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

/** The message as its agent is shown it. */
export function withReactions({ head }: Pick<RunningTurn, 'head'>, request: TurnRequest): TurnRequest {
  const { reactions = [] } = readableConsent(head);
  if (reactions.length === 0) return request;
  const shown = reactions.map(({ name, reactions: given, to }) => ({ by: name, given, to }));
  return { ...request, context: { ...request.context, reactions: shown } };
}

/** They have been shown: the commit of the turn takes the note away. */
export function withoutReactions(
  { head }: Pick<RunningTurn, 'head'>,
  result: Decision | NotNow,
): Decision | NotNow {
  if ('notNow' in result || result.reply.outcome === 'failed') return result;
  if ((readableConsent(head).reactions ?? []).length === 0) return result;
  try {
    return { ...result, consent: { ...(result.consent ?? consentOf(head)), reactions: [] } };
  } catch (error) {
    if (error instanceof Corrupt) return result;
    throw error;
  }
}
