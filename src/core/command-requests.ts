// A message as the inputs that it stands for: a command is an order or two, and how a chat is set decides what a plain
// message does to a turn that runs. The last input has the message's own id, so whoever sent it finds the answer there.
import { readCommand } from './commands.ts';
import { turnIdOf } from './ids.ts';
import type { TurnRequest } from './messages.ts';
import { type WhileRunning, whileRunningIn } from './while-running.ts';

export interface Inputs {
  /** In the order of the queue. */
  readonly requests: readonly [TurnRequest, ...TurnRequest[]];
  /** What came before is asked to stop. */
  readonly interrupts: boolean;
}

const COMMAND_LIKE = /^\/[a-z]\w{0,31}(?:@\w{3,64})?(?:\s|$)/i;

/** Ends the id of what comes before the text of a command. */
const FIRST = '.first';

export function inputsOf(request: TurnRequest, settings?: WhileRunning): Inputs {
  const goesOn = (...requests: Inputs['requests']): Inputs => ({ requests, interrupts: false });
  if (request.kind !== 'message') return goesOn(request);
  const read = readCommand(request.text);
  if (!read) return plainMessage(request, settings);
  const { command, rest } = read;
  const { gatherMs: _, context: __, attachments: ___, ...order } = request;
  const message = { ...request, text: rest };
  switch (command.name) {
    case 'btw':
      return goesOn(request.attachments ? message : { ...message, kind: 'steer' });
    case 'stop':
      return {
        requests: [rest === '' ? { ...order, kind: 'command', text: 'stop' } : message],
        interrupts: true,
      };
    case 'new': {
      if (rest === '') return goesOn({ ...order, kind: 'new', text: '' });
      const dedupeId = `${request.dedupeId}${FIRST}`;
      const turnId = turnIdOf(request.sessionKey, dedupeId);
      return goesOn({ ...order, turnId, dedupeId, kind: 'new', text: '' }, message);
    }
    default: {
      const text = command.kind === 'command' ? `${command.name} ${rest}`.trim() : rest;
      return goesOn({ ...order, kind: command.kind, text });
    }
  }
}

function plainMessage(request: TurnRequest, settings?: WhileRunning): Inputs {
  const mode = whileRunningIn(settings, request.conversation);
  // Parts of a paste wait for each other first.
  // A file is laid into the working directory at the beginning of a turn, not in the middle of one.
  // A command of the agent folder is done by a turn of its own.
  const isPlain = request.gatherMs === undefined && request.attachments === undefined;
  const steers = mode === 'steer' && isPlain && !COMMAND_LIKE.test(request.text);
  const requests = [steers ? { ...request, kind: 'steer' as const } : request] as const;
  return { requests, interrupts: mode === 'interrupt' };
}
