// The gate of a wake-up: a script of the agent folder that decides, without a model, whether the agent is woken. It runs where the
// agent's commands run, in the working directory, with no way to the model and no credential. Exit code 0 opens the
// gate, and what the script prints is told to the agent; 1 keeps it closed; anything else is a failure that people see.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_GATE_WORDS } from '../core/gate.ts';
import type { TurnRequest } from '../core/messages.ts';
import type { AgentOutcome, AgentRun } from '../core/ports/execution.ts';
import { cutText } from '../text/cut-text.ts';
import type { AgentFolder } from './agent-folder.ts';
import { SAFE_PATH } from './environment.ts';
import { ROOT_MARKER } from './processes.ts';

/** More is read and dropped. */
const KEPT_CHARACTERS = 4 * MAX_GATE_WORDS;
const CLOSED = 1;
/** After the script ended: until what it left running has let go of its output. */
const OUTPUT_GRACE_MS = 1_000;

export interface GateOptions {
  readonly folder: AgentFolder;
  readonly timezone: string;
  readonly path?: string;
  readonly language?: string;
  readonly network?: Readonly<Record<string, string>>;
}

export type GateVerdict =
  | { readonly verdict: 'open'; readonly request: TurnRequest }
  | NonNullable<AgentOutcome['gate']>
  /** The turn was stopped meanwhile. */
  | { readonly verdict: 'stopped' };

export async function askGate(run: AgentRun, name: string, options: GateOptions): Promise<GateVerdict> {
  if (!options.folder.gates?.includes(name)) {
    return failed(`The agent folder has no executable script gates/${name}.`);
  }
  const limitSec = options.folder.settings.timeLimits.gateSec;
  const { code, signal, said, wasTooLong, error } = await runScript(run, name, options, limitSec * 1_000);
  if (run.signal.aborted) return { verdict: 'stopped' };
  if (error !== null) return failed(`It could not be started (${error}).`);
  if (wasTooLong) return failed(`It did not end within ${limitSec} s.`, said);
  if (code === 0) return { verdict: 'open', request: withWords(run.request, said) };
  if (code === CLOSED) return { verdict: 'closed', said };
  return failed(code === null ? `It was ended by ${signal}.` : `It ended with exit code ${code}.`, said);
}

function failed(why: string, said = ''): NonNullable<AgentOutcome['gate']> {
  return { verdict: 'failed', said: cutText(said === '' ? why : `${why} ${said}`, MAX_GATE_WORDS) };
}

function withWords(request: TurnRequest, said: string): TurnRequest {
  const wakeUp = request.context?.wakeUp;
  if (said === '' || !wakeUp) return request;
  return { ...request, context: { ...request.context, wakeUp: { ...wakeUp, said } } };
}

interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
  readonly wasTooLong: boolean;
  readonly error: string | null;
}

async function runScript(run: AgentRun, name: string, options: GateOptions, limitMs: number): Promise<Ran> {
  const { root, workspace } = run.directory;
  const { wakeUp } = run.request.context ?? {};
  for (const part of ['home', 'tmp']) await mkdir(join(root, part), { recursive: true, mode: 0o700 });
  const child = spawn(join(options.folder.path, 'gates', name), [], {
    cwd: workspace,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...options.network,
      PATH: options.path ?? SAFE_PATH,
      HOME: join(root, 'home'),
      TMPDIR: join(root, 'tmp'),
      LANG: options.language ?? 'C.UTF-8',
      TZ: options.timezone,
      SCHEDULE_NAME: wakeUp?.name ?? '',
      SCHEDULE_DUE: wakeUp?.due ?? '',
      SCHEDULE_MISSED: String(wakeUp?.missed ?? 0),
      [ROOT_MARKER]: root,
    },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      if (said.length < KEPT_CHARACTERS) said += text;
    });
  }
  let wasTooLong = false;
  const timer = setTimeout(() => {
    wasTooLong = true;
    endGroup(child);
  }, limitMs);
  const stop = () => endGroup(child);
  run.signal.addEventListener('abort', stop, { once: true });
  if (run.signal.aborted) stop();
  try {
    const ended = await endOf(child);
    // What it began ends with it.
    endGroup(child);
    return { ...ended, said: cutText(said.toWellFormed().trim(), MAX_GATE_WORDS), wasTooLong };
  } finally {
    clearTimeout(timer);
    run.signal.removeEventListener('abort', stop);
  }
}

function endOf(child: ChildProcess): Promise<Pick<Ran, 'code' | 'signal' | 'error'>> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ code: null, signal: null, error: error.message }));
    child.once('exit', (code, signal) => {
      const done = () => {
        clearTimeout(grace);
        resolve({ code, signal, error: null });
      };
      const grace = setTimeout(done, OUTPUT_GRACE_MS);
      child.once('close', done);
    });
  });
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // None of it is left.
  }
}
