// A message that its writer changed: what it says now is what the agent gets, if its turn has not begun. The change is an
// input of its own, behind the message in the conversation's queue: the turn finds it in the ledger when it begins, and when
// its own time comes there is nothing left to do. So a change that comes too late changes nothing, whoever dies when.
import { type TurnRequest, writtenIn } from './messages.ts';
import { chatOf } from './records.ts';
import type { RunningTurn } from './running-turn.ts';

/** Begins the text of such an input. No command that people can write has this name. */
const EDIT = 'edit';
const LOOKED_AT = 50;
/** Nobody changes a message sooner: a turn that begins at once need not look. */
const EDITABLE_AFTER_MS = 1_000;

/** The text of the input that changes the message `ref` of its platform. */
export function editText(ref: string, text: string): string {
  return `${EDIT} ${ref}\n${text}`;
}

export function isEdit({ kind, text }: Pick<TurnRequest, 'kind' | 'text'>): boolean {
  return kind === 'command' && /^edit \S+\n/.test(text);
}

/** The request as its writer left it. */
export async function withEdit({ deps, record }: RunningTurn, request: TurnRequest): Promise<TurnRequest> {
  const { messageRef: ref, sessionKey, part } = request;
  if (ref === undefined || part > 0 || record.generation !== null) return request;
  if (deps.clock.now() - request.receivedAtMs < EDITABLE_AFTER_MS) return request;
  const { items } = await deps.store.listTurns(sessionKey, { limit: LOOKED_AT });
  const start = editText(ref, '');
  const last = items
    .filter(
      (turn) => turn.kind === 'command' && turn.sequence > record.sequence && turn.text.startsWith(start),
    )
    // Platforms number the messages of each chat by themselves.
    .filter((turn) => chatOf(turn) === writtenIn(request))
    .sort((a, b) => a.sequence - b.sequence)
    .at(-1);
  return last ? { ...request, text: last.text.slice(start.length) } : request;
}
