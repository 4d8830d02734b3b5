// `/mode` and `/model`: what the people of a chat choose for it, within what the installation allows. It lies beside what they
// have allowed (consent.ts), so it holds from the next message on, and in new sessions of the chat.
import { chosenIn, withChosen } from './consent.ts';
import { tenantOf } from './ids.ts';
import type { CommandResult } from './permissions-command.ts';
import type { RunningTurn } from './running-turn.ts';
import type { WhileRunningMode } from './while-running.ts';

/** Takes a choice back. */
const DEFAULT = 'default';

const MODES: Readonly<Record<WhileRunningMode, string>> = {
  queue: 'What you write while I work waits for its turn.',
  steer: 'What you write while I work is told to the turn that runs, at its next step.',
  interrupt: 'What you write while I work ends the turn that runs, and comes next.',
};

export function modeReply({ head }: Pick<RunningTurn, 'head'>, rest: string): CommandResult {
  if (rest === '') {
    const mode = chosenIn(head).whileRunning;
    const now = mode ? MODES[mode] : 'What a message does to a turn that runs is as this bot is set up.';
    return said(`${now} \`/mode queue\`, \`steer\` or \`interrupt\` changes it for this chat.`);
  }
  const mode = rest === DEFAULT ? undefined : (rest as WhileRunningMode);
  const consent = withChosen(head, { whileRunning: mode });
  return { ...said(mode ? MODES[mode] : 'From now on it is as this bot is set up.'), consent };
}

export async function modelReply(
  { deps, head, request }: Pick<RunningTurn, 'deps' | 'head' | 'request'>,
  rest: string,
): Promise<CommandResult> {
  const { own, choices } = (await deps.hosts.models?.(tenantOf(request.sessionKey))) ?? {
    own: null,
    choices: [],
  };
  const names = choices.map((name) => `\`${name}\``).join(', ');
  const ways =
    choices.length === 0
      ? 'There are no others to choose from here.'
      : `To choose from: ${names}. Write \`/model\` with a name, or \`/model default\`.`;
  const usual = own === null ? 'the usual model of this bot' : `\`${own}\``;
  if (rest === '') {
    const chosen = chosenIn(head).model;
    const now = chosen && choices.includes(chosen) ? `\`${chosen}\`` : usual;
    return said(`This chat uses ${now}. ${ways}`);
  }
  if (rest === DEFAULT) {
    return {
      ...said(`From now on this chat uses ${usual}.`),
      consent: withChosen(head, { model: undefined }),
    };
  }
  if (!choices.includes(rest)) return said(`There is no model \`${rest}\` to choose here. ${ways}`);
  return {
    ...said(`From now on this chat uses \`${rest}\`. What was said before stays.`),
    consent: withChosen(head, { model: rest }),
  };
}

/** For `/status`; '' where the chat has chosen nothing. */
export function chosenText(head: RunningTurn['head']): string {
  const { model, whileRunning } = chosenIn(head);
  return [model && `Chosen for this chat: \`${model}\`.`, whileRunning && MODES[whileRunning]]
    .filter(Boolean)
    .join(' ');
}

function said(text: string): CommandResult {
  return { reply: { outcome: 'ok', text } };
}
