// The `AgentRunner` over the light agent's process. It keeps the real runner's rules that matter to the turn: the
// transcript must be there and go on from where it was, a torn last line is dropped, a stop or deadline ends the
// agent at a safe point, no process is left behind.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promptOf } from '../../src/agent/continuation.ts';
import { readConversationNote, writeConversationNote } from '../../src/agent/conversation-note.ts';
import { endProcesses, ROOT_MARKER } from '../../src/agent/processes.ts';
import { continuesFrom, dropTornLine, markTranscript } from '../../src/agent/transcript.ts';
import { transcriptPath } from '../../src/agent/transcript-file.ts';
import type { AgentOutcome, AgentRun, AgentRunner } from '../../src/core/ports.ts';
import type { LightAgentInput, LightAgentOutput } from './light-agent.ts';

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

  const input: LightAgentInput = {
    transcript,
    workspace: directory.workspace,
    sessionId: run.sessionId,
    ...(await promptOf(run, transcript)),
    modelUrl: options.modelUrl,
    modelTimeoutMs: options.modelTimeoutMs ?? 2_500,
    modelTries: run.tries > 1 ? 1 : 3,
  };
  const child = spawn(process.execPath, [AGENT, JSON.stringify(input)], {
    env: { [ROOT_MARKER]: directory.root, PATH: '/usr/bin:/bin', ...options.environment },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  run.progress({ type: 'status', status: 'running' });
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
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
  signal.removeEventListener('abort', stop);
  clearTimeout(timer);
  await endProcesses(directory.root, child.pid === undefined ? [] : [child.pid]);

  await dropTornLine(transcript);
  const now = await markTranscript(transcript);
  await writeConversationNote(directory.config, { begun: now !== null, bytes: now?.bytes ?? 0 });
  if (mark && !(await continuesFrom(transcript, mark))) {
    return failed('resume-lost', 'The agent did not go on from the conversation it was given.');
  }
  const said = outputOf(printed);
  if (said?.status === 'ok') {
    run.progress({ type: 'text', text: said.text });
    return { status: 'ok', text: said.text, demo: false };
  }
  if (signal.aborted) return { status: statusOf(signal), text: '', demo: false };
  if (said?.status === 'model-unavailable') {
    const { modelStatus = null, retryAfterMs = 0 } = said;
    return failed('model-unavailable', 'The model cannot be reached right now.', {
      status: modelStatus,
      retryAfterMs,
    });
  }
  if (said?.status === 'model-refused') return failed('agent-error', 'The model refused the request.');
  return failed('agent-crashed', `The agent process ended unexpectedly: ${ended}.`);
}

const AGENT = fileURLToPath(
  new URL(`./light-agent.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);

function outputOf(printed: string): LightAgentOutput | null {
  try {
    return JSON.parse(printed) as LightAgentOutput;
  } catch {
    return null;
  }
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
