// The model of a fault run. For each message it asks for one file to be written, then answers with everything that it
// can see of the conversation: so the reply proves what the agent remembered.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModelRequest } from '../../src/agent/model-messages.ts';
import type { ModelReply } from '../../src/agent/model-reply.ts';
import { createModelServer, type Responder } from '../../src/agent/model-server.ts';
import type { Act } from './act.ts';
import type { InjectedFaults, Note } from './injected-faults.ts';
import { ASKED_TOOL } from './light-agent-input.ts';
import { canaryOf, numberIn } from './planned.ts';

export interface ModelCall {
  readonly atMs: number;
  readonly turn: string;
  readonly fence: number;
}

export interface FaultModel {
  readonly url: string;
  readonly calls: readonly ModelCall[];
  close(): Promise<void>;
}

/** Whose turn a call is for: told to the turn that runs, a message may be the last one without being the one that is answered. */
export interface CallingTurns {
  readonly numberOf: (turn: string) => number | null;
  readonly actOf: (message: number) => Act | undefined;
}

export const fileOf = (message: number): string => `turns/m${message}.txt`;

export async function startFaultModel(
  faults: InjectedFaults,
  note: Note,
  agent: 'light' | 'real',
  pause: (ms: number, message: number | null) => Promise<unknown> = (ms) => sleep(ms),
  calling: CallingTurns = { numberOf: () => null, actOf: () => undefined },
): Promise<FaultModel> {
  const calls: ModelCall[] = [];
  // Answers differ from run to run, as a model's do: a reply of one attempt under another's record shows.
  let run = '';
  let caller = '';
  const respond: Responder = async (request) => {
    const known = promptsIn(request);
    const message = calling.numberOf(caller) ?? known.at(-1) ?? null;
    const act = message === null ? undefined : calling.actOf(message);
    const about = act?.kind === 'press' ? act.of : message;
    // What is answered is named last, each once.
    const asked = about === null ? known : [...known.filter((number) => number !== about), about];
    const asksFirst = about !== null && calling.actOf(about)?.kind === 'ask';
    const fault = faults.take('model', message);
    const schedules = about === null ? undefined : calling.actOf(about);
    const later = schedules?.kind === 'schedule' ? schedules : null;
    const reply = replyTo(request, asked, { agent, run, asksFirst, later });
    if (fault === null) return reply;
    if (fault.how === 'hang') return { fault: 'hang' };
    if (fault.how === 'slow') {
      await pause(fault.ms ?? 0, message);
      return reply;
    }
    if (fault.how === 'cut') {
      // A whole answer cannot be cut in the middle by this server; a server error is as good as one.
      return request.stream ? { fault: 'cut', afterEvents: 3, reply } : { fault: 'status', status: 500 };
    }
    return { fault: 'status', status: Number(fault.how), retryAfterSec: fault.retryAfterSec ?? 0 };
  };
  const server = await createModelServer({
    respond,
    onRequest({ path }) {
      const [, turn = '', fence = ''] = /^\/run\/(\w+)\/(\d+)\/v1\/messages$/.exec(path) ?? [];
      run = fence;
      caller = turn;
      if (turn === '') return;
      calls.push({ atMs: Date.now(), turn, fence: Number(fence) });
      note('model-call', { turn, fence: Number(fence) });
    },
  });
  return { url: server.url, calls, close: server.close };
}

/** The numbers of the messages that the conversation holds, each once, in the order they were first said. */
function promptsIn(request: ModelRequest): number[] {
  const numbers = request.messages
    .filter(({ role }) => role === 'user')
    .flatMap(({ text }) => [...text.matchAll(/#m(\d+)/g)].map((found) => Number(found[1])));
  const last = numbers.at(-1);
  const once = [...new Set(numbers)].filter((number) => number !== last);
  return last === undefined ? once : [...once, last];
}

interface Replying {
  readonly agent: 'light' | 'real';
  readonly run: string;
  readonly asksFirst: boolean;
  readonly later: Extract<Act, { kind: 'schedule' }> | null;
}

function replyTo(
  request: ModelRequest,
  asked: readonly number[],
  { agent, run, asksFirst, later }: Replying,
): ModelReply {
  const message = asked.at(-1);
  if (message === undefined) return text('Nothing was asked.');
  const prompt = request.messages.findLastIndex(
    ({ role, text: said }) => role === 'user' && numberIn(said) === message,
  );
  const results = request.messages.slice(prompt + 1).flatMap(({ toolResults }) => toolResults);
  const done = results.length > 0;
  const canary = canaryIn(request) ?? canaryOf(0);
  if (!done) {
    const content = `${fileOf(message)} ${canary}`;
    if (agent === 'light') {
      const name = asksFirst ? ASKED_TOOL : 'Write';
      const wakeUp = later && {
        later: {
          text: `Wake up and note #m${later.wake} for ${canary}.`,
          inMs: later.inMs,
        },
      };
      const input = { file_path: fileOf(message), content, ...wakeUp };
      return { blocks: [{ type: 'tool_use', name, input }] };
    }
    const command = `cd "$(git rev-parse --show-toplevel 2>/dev/null || pwd)" && mkdir -p turns && printf '%s' '${content}' > ${fileOf(message)}`;
    return {
      blocks: [{ type: 'tool_use', name: 'Bash', input: { command, description: 'Write the note' } }],
    };
  }
  const verb = asksFirst && results.at(-1)?.failed ? 'Left out' : 'Noted';
  return text(
    `${verb} #m${message} for ${canary}. I remember ${asked.map((number) => `#m${number}`).join(' ')}. (Run ${run}.)`,
  );
}

function canaryIn(request: ModelRequest): string | null {
  for (const { text: said, role } of [...request.messages].reverse()) {
    const found = role === 'user' ? /canary\d+x\d+/.exec(said)?.[0] : undefined;
    if (found) return found;
  }
  return null;
}

const text = (said: string): ModelReply => ({ blocks: [{ type: 'text', text: said }] });
