// The kit's child processes: it starts them, restarts them when they die, resumes them after they have stopped
// themselves (SIGSTOP), and ends them by pid.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Note } from './injected-faults.ts';
import type { FromChild, Settings, ToChild } from './settings.ts';

export interface ProcessSlot {
  readonly name: string;
  readonly pid: number | undefined;
  readonly deaths: number;
  readonly port: number;
  /** Resolves when it is ready for the first time. */
  readonly ready: Promise<void>;
  /** Asks the process to end after its running turn, then kills it. */
  stop(graceMs: number): Promise<void>;
}

export interface ProcessSlotOptions {
  readonly program: 'worker-process' | 'server-process';
  readonly name: string;
  readonly settings: Settings;
  readonly skewMs: number;
  readonly spared?: boolean;
  readonly note: Note;
}

const RESTART_MS = 20;

export function createProcessSlot({
  program,
  name,
  settings,
  skewMs,
  note,
  spared = false,
}: ProcessSlotOptions): ProcessSlot {
  const ready = Promise.withResolvers<void>();
  const file = fileURLToPath(
    new URL(`./${program}.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
  );
  let child: ChildProcess | undefined;
  let port = 0;
  let deaths = 0;
  let stopping = false;

  function start(): void {
    const started = fork(file, {
      execArgv: [],
      env: { ...process.env, NODE_COMPILE_CACHE: settings.codeFolder },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child = started;
    started.on('message', (message: FromChild) => {
      if (message.type === 'ready') {
        port = message.port;
        ready.resolve();
        return;
      }
      note('paused', { whom: name, ms: message.ms });
      setTimeout(() => {
        note('woken', { whom: name });
        started.kill('SIGCONT');
      }, message.ms);
    });
    started.on('exit', (code, signal) => {
      note('exit', { whom: name, code, signal });
      if (child === started) child = undefined;
      if (stopping) return;
      deaths++;
      if (deaths > 5_000 || (code !== null && code !== 0))
        return ready.reject(new Error(`${name} ended with ${code}.`));
      setTimeout(() => !stopping && start(), RESTART_MS);
    });
    say(started, { type: 'boot', settings, name: `${name}.${deaths}`, skewMs, port, spared });
  }

  start();
  return {
    name,
    get pid() {
      return child?.pid;
    },
    get deaths() {
      return deaths;
    },
    get port() {
      return port;
    },
    ready: ready.promise,
    async stop(graceMs) {
      stopping = true;
      const last = child;
      if (!last) return;
      const exited = new Promise<void>((resolve) => last.once('exit', () => resolve()));
      say(last, { type: 'stop' });
      const timer = setTimeout(() => last.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

function say(child: ChildProcess, message: ToChild): void {
  if (child.connected) child.send(message, () => {});
}
