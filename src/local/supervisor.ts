// Keeps N worker processes running. A worker shares no memory with the server, so every turn starts from stored data
// alone. A worker that dies is started again, with a longer pause each time it dies soon after its start. A worker ends
// when its pipe to this process closes, so a killed server leaves no workers behind.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { backoffMs } from '../core/backoff.ts';
import { Invalid } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Sandbox } from '../host/sandbox/sandbox.ts';
import { isBundled, programFile } from '../package-root.ts';
import { openCompileCache } from './compile-cache.ts';
import type { Configuration, Environment } from './configuration.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';
import type { WorkerNote } from './worker-notes.ts';

export interface SupervisorOptions {
  readonly configuration: Configuration;
  /** What `detectSandbox` found on this machine. */
  readonly sandbox: Sandbox;
  /** The server's environment; workers get only the variables listed below. */
  readonly env: Environment;
  readonly log: Log;
  /** What a worker process runs. */
  readonly program?: URL;
  readonly onNote?: (note: WorkerNote) => void;
  readonly onRestart?: () => void;
}

export interface Supervisor {
  /** Process ids of the workers that run now. */
  pids(): readonly number[];
  /** Lets running turns go on for `graceMs`, then has them saved and queued again, then kills the remaining workers. */
  stop(graceMs: number): Promise<void>;
}

/** Variables that a worker may see. None of them can contain a secret. */
const HARMLESS =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|COMSPEC|PATHEXT|WINDIR|USERPROFILE|APPDATA|LOCALAPPDATA|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|SSL_CERT_DIR|NODE_COMPILE_CACHE|DEBUG|NO_COLOR|IS_SANDBOX)$/i;

/** Node flags that a worker inherits from the program. Flags that load or run code are not inherited. */
const KEPT_FLAGS = /^--(no-warnings|enable-source-maps|use-[\w-]+|(disable-warning|max-[\w-]+)=.+)$/;

const YOUNG_MS = 20_000;
const RESTARTING = { firstMs: 250, maxMs: 15_000 };
/** When a worker dies this often in a row before it was ever ready, the start has failed. */
const MAX_YOUNG_DEATHS = 4;
/** Time to save turns that were cut off. */
const SAVE_MS = 5_000;

/** Resolves when every worker is ready; throws the error of the first worker that cannot start. */
export async function startWorkers(options: SupervisorOptions): Promise<Supervisor> {
  const { configuration, log } = options;
  // A checkout's programs are many files that change: there the cache would be filled more often than used.
  const compiled = isBundled
    ? await openCompileCache({ ...configuration, program: programFile('agent-host'), log })
    : null;
  const slots = Array.from({ length: configuration.workers }, () =>
    createWorkerSlot(options, compiled?.environment ?? {}),
  );
  const supervisor: Supervisor = {
    pids: () => slots.flatMap((slot) => slot.pid() ?? []),
    async stop(graceMs) {
      await Promise.all([compiled?.close(), ...slots.map((slot) => slot.stop(graceMs))]);
    },
  };
  try {
    await Promise.all(slots.map((slot) => slot.ready));
    void compiled?.fill();
  } catch (error) {
    await supervisor.stop(0);
    throw error;
  }
  return supervisor;
}

interface WorkerSlot {
  readonly ready: Promise<void>;
  pid(): number | undefined;
  stop(graceMs: number): Promise<void>;
}

function createWorkerSlot(options: SupervisorOptions, own: Environment): WorkerSlot {
  const { configuration, sandbox, env, log, program, onNote, onRestart } = options;
  const ready = Promise.withResolvers<void>();
  let child: ChildProcess | undefined;
  let restart: NodeJS.Timeout | undefined;
  let deaths = 0;
  let stopping = false;

  function start(): void {
    const startedAtMs = performance.now();
    const worker = fork(program ? fileURLToPath(program) : programFile('worker'), {
      // In its own process group a worker gets no Ctrl-C from the terminal: the server stops its workers in order.
      detached: true,
      env: {
        ...Object.fromEntries(Object.entries(env).filter(([name]) => HARMLESS.test(name))),
        ...own,
      } as NodeJS.ProcessEnv,
      execArgv: process.execArgv.filter((argument) => KEPT_FLAGS.test(argument)),
      serialization: 'json',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child = worker;
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'ready') ready.resolve();
      else if (message.type === 'note') onNote?.(message.note);
      else if (message.type === 'variable') {
        say(worker, { type: 'variable', name: message.name, value: env[message.name] ?? null });
      } else {
        const { code, advice } = message;
        ready.reject(new Invalid(code, message.message, advice === undefined ? {} : { advice }));
      }
    });
    worker.on('error', (error) => log('error', 'worker-failed', { message: error.message }));
    worker.on('exit', (code, signal) => {
      child = undefined;
      if (stopping) return;
      deaths = performance.now() - startedAtMs < YOUNG_MS ? deaths + 1 : 1;
      if (deaths >= MAX_YOUNG_DEATHS) {
        ready.reject(
          new Invalid('worker', `Worker processes end at once (${signal ?? `exit code ${code}`}).`),
        );
      }
      const waitMs = backoffMs(RESTARTING, deaths);
      log('warn', 'worker-died', { pid: worker.pid, code, signal, restartInMs: waitMs });
      restart = setTimeout(() => {
        onRestart?.();
        start();
      }, waitMs);
    });
    // A worker serves nobody, and the agent may share its user: it gets no key of the API.
    say(worker, { type: 'boot', configuration: { ...configuration, apiKeys: [] }, sandbox });
  }

  async function stop(graceMs: number): Promise<void> {
    stopping = true;
    clearTimeout(restart);
    const worker = child;
    if (!worker) return;
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    say(worker, { type: 'stop', graceMs });
    const kill = setTimeout(() => worker.kill('SIGKILL'), graceMs + SAVE_MS);
    await exited;
    clearTimeout(kill);
  }

  // If it rejects after everybody has stopped waiting for it, that must not be an unhandled rejection.
  ready.promise.catch(() => {});
  start();
  return { ready: ready.promise, pid: () => child?.pid, stop };
}

function say(worker: ChildProcess, message: ToWorker): void {
  // A worker that has died cannot get a message; its exit is handled above.
  if (worker.connected) worker.send(message, () => {});
}
