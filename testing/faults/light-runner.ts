// The `AgentRunner` over the light agent's process. It keeps the real runner's rules that matter to the turn: the
// transcript must be there and go on from where it was, a torn last line is dropped, a stop or deadline ends the
// agent at a safe point, no process is left behind.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { answeredPrompt, holds, messageUuid, promptOf } from '../../src/agent/continuation.ts';
import { readConversationNote, writeConversationNote } from '../../src/agent/conversation-note.ts';
import { endProcesses, ROOT_MARKER } from '../../src/agent/processes.ts';
import { continuesFrom, dropTornLine, markTranscript } from '../../src/agent/transcript.ts';
import { transcriptPath } from '../../src/agent/transcript-file.ts';
import type { Asked } from '../../src/core/asked-call.ts';
import type { AgentOutcome, AgentRun, AgentRunner, SteeringMessage } from '../../src/core/ports.ts';
import type { ScheduleOrder } from '../../src/core/schedule-orders.ts';
import {
  ASKED_TOOL,
  type HeldCallOutput,
  type LaterOutput,
  type LightAgentInput,
  type LightAgentLine,
  type LightAgentOutput,
} from './light-agent-input.ts';

export interface LightRunnerOptions {
  readonly modelUrl: string;
  readonly modelTimeoutMs?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

const GRACE_MS = 1_000;

export function createLightRunner(options: LightRunnerOptions): AgentRunner {
  return { run: (run) => runLight(run, options) };
}

async function runLight(run: AgentRun, options: LightRunnerOptions): Promise<AgentOutcome> {
  const { directory, signal } = run;
  const transcript = transcriptPath(directory.config, run.sessionId);
  await dropTornLine(transcript);
  const mark = run.resume ? await markTranscript(transcript) : null;
  const note = await readConversationNote(directory.config);
  if (run.resume && (mark ? note !== null && mark.bytes < note.bytes : note?.begun !== false)) {
    return failed('resume-lost', 'The conversation of this session is not in the restored files.');
  }
  if (!mark) await writeConversationNote(directory.config, { begun: false, bytes: 0 });
  if (signal.aborted) return { status: statusOf(signal), text: '', demo: false };

  const decided = run.decided?.calls ?? null;
  const prompt = decided ? answeredPrompt(decided, run.continuing) : await promptOf(run, transcript);
  const input: LightAgentInput = {
    transcript,
    workspace: directory.workspace,
    sessionId: run.sessionId,
    ...prompt,
    decided,
    modelUrl: options.modelUrl,
    modelTimeoutMs: options.modelTimeoutMs ?? 2_500,
    modelTries: run.tries > 1 ? 1 : 3,
  };
  const child = spawn(process.execPath, [AGENT, JSON.stringify(input)], {
    env: { [ROOT_MARKER]: directory.root, PATH: '/usr/bin:/bin', ...options.environment },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  run.progress({ type: 'status', status: 'running' });
  let said: LightAgentOutput | null = null;
  const heard = createInterface({ input: child.stdout });
  const steering = steer(run, transcript, child.stdin);
  heard.on('line', (printed) => {
    const line = lineOf(printed);
    if (line && 'took' in line) steering.took(line.took);
    else if (line) said = line.outcome;
  });
  const heardAll = new Promise((resolve) => heard.once('close', resolve));
  let timer: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill(signal.reason === 'lost' ? 'SIGKILL' : 'SIGINT');
    timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const ended = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, by) => resolve(by ?? String(code)));
  });
  await heardAll;
  steering.end();
  signal.removeEventListener('abort', stop);
  clearTimeout(timer);
  await endProcesses(directory.root, child.pid === undefined ? [] : [child.pid]);

  await dropTornLine(transcript);
  const now = await markTranscript(transcript);
  await writeConversationNote(directory.config, { begun: now !== null, bytes: now?.bytes ?? 0 });
  if (mark && !(await continuesFrom(transcript, mark))) {
    return failed('resume-lost', 'The agent did not go on from the conversation it was given.');
  }
  const output = said as LightAgentOutput | null;
  if (output?.status === 'ok') {
    run.progress({ type: 'text', text: output.text });
    const asked = output.held ? { asked: askedOf(output.held) } : {};
    const schedules = (output.later ?? []).map(orderOf);
    const ordered = schedules.length > 0 ? { schedules } : {};
    return { status: 'ok', text: output.text, demo: false, ...asked, ...ordered };
  }
  if (signal.aborted) return { status: statusOf(signal), text: '', demo: false };
  if (output?.status === 'model-unavailable') {
    const { modelStatus = null, retryAfterMs = 0 } = output;
    return failed('model-unavailable', 'The model cannot be reached right now.', {
      status: modelStatus,
      retryAfterMs,
    });
  }
  if (output?.status === 'model-refused') return failed('agent-error', 'The model refused the request.');
  return failed('agent-crashed', `The agent process ended unexpectedly: ${ended}.`);
}

const AGENT = fileURLToPath(
  new URL(`./light-agent.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);

function lineOf(printed: string): LightAgentLine | null {
  try {
    return JSON.parse(printed) as LightAgentLine;
  } catch {
    // Cut off in the middle by a kill.
    return null;
  }
}

/** By the rule of the real one (src/agent/steering-input.ts): what stands in the conversation is not said again. */
function steer({ steering }: AgentRun, transcript: string, input: Writable) {
  const sent = new Map<string, SteeringMessage['turnId']>();
  input.on('error', () => {});
  const end = steering?.listen((message) => void take(message).catch(() => {}));
  async function take({ turnId, text }: SteeringMessage): Promise<void> {
    const uuid = messageUuid(turnId);
    if (await holds(transcript, uuid)) return steering?.took(turnId);
    sent.set(uuid, turnId);
    input.write(`${JSON.stringify({ uuid, text })}\n`);
  }
  return {
    took(uuid: string) {
      const turnId = sent.get(uuid);
      if (turnId) steering?.took(turnId);
    },
    end: () => end?.(),
  };
}

function orderOf({ text, at }: LaterOutput): ScheduleOrder {
  const missed = { policy: 'once' } as const;
  return {
    ...{ action: 'create', name: 'Wake up', text, at, timeZone: 'UTC', missed, overlap: 'queue' },
    ...{ gate: null, managers: null },
  };
}

function askedOf({ id, file, content }: HeldCallOutput): Asked {
  const title = `Write ${file}`;
  const hash = createHash('sha256').update(`${file}\n${content}`).digest('hex');
  return {
    calls: [
      {
        ...{ id, tool: ASKED_TOOL, title, detail: file, format: 'json', hash },
        waits: 'held',
        covers: 'call',
      },
    ],
    approvers: null,
    expiresAfterSec: null,
  };
}

function statusOf(signal: AbortSignal): 'stopped' | 'deadline' {
  return signal.reason === 'deadline' ? 'deadline' : 'stopped';
}

type Failure = NonNullable<AgentOutcome['failure']>;

function failed(
  code: Failure['code'],
  message: string,
  more: Pick<Failure, 'status' | 'retryAfterMs'> = {},
): AgentOutcome {
  return { status: 'failed', text: '', demo: false, failure: { code, message, ...more } };
}
