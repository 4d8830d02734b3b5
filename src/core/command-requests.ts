// A message that is a command becomes the inputs that it stands for. The last one has the message's own id, so whoever
// sent the message finds the answer under it.
import { readCommand } from './commands.ts';
import { turnIdOf } from './ids.ts';
import type { TurnRequest } from './messages.ts';

/** Ends the id of what comes before the text of a command. */
const FIRST = '.first';

/** In the order of the queue. */
export function commandRequests(request: TurnRequest): readonly [TurnRequest, ...TurnRequest[]] {
  if (request.kind !== 'message') return [request];
  const read = readCommand(request.text);
  if (!read) return [request];
  const { command, rest } = read;
  const { gatherMs: _, context: __, ...plain } = request;
  if (command.kind === 'steer') return [{ ...request, kind: 'steer', text: rest }];
  if (command.kind !== 'new' || rest === '') return [{ ...plain, kind: command.kind, text: rest }];
  const dedupeId = `${request.dedupeId}${FIRST}`;
  const turnId = turnIdOf(request.sessionKey, dedupeId);
  return [
    { ...plain, turnId, dedupeId, kind: 'new', text: '' },
    { ...request, text: rest },
  ];
}
