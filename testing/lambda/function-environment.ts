// One execution environment of one function: a process of the real aws-lambda-ric over a folder, as Lambda starts
// it. A crash, a timeout or `kill` ends the process; the next event starts a new one, as on Lambda.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { movingIn, processesBelow } from './process-tree.ts';
import {
  createRuntimeApi,
  type InvocationResult,
  type InvokeOptions,
  type RuntimeApi,
} from './runtime-api.ts';
import {
  asShellVariables,
  plainCommand,
  type Sandbox,
  sandboxedCommand,
  type WritableFolder,
} from './sandbox.ts';

export interface FunctionOptions {
  readonly name: string;
  /** LAMBDA_TASK_ROOT: the unpacked ZIP, or the image's task folder. */
  readonly folder: string;
  /** `module.export`. */
  readonly handler: string;
  /** The function's own variables. Nothing else of this process's environment gets in. */
  readonly environment: Readonly<Record<string, string>>;
  /** Of one invocation; a function is asked before each. */
  readonly timeoutMs: number | (() => number);
  readonly memoryMb?: number;
  /** Walls around the process and all it starts. Its end ends all of them. */
  readonly walls?: { readonly sandbox: Sandbox; readonly writable: WritableFolder };
  /** Gets every line of the function's output. */
  readonly onOutput?: (text: string) => void;
}

export interface FunctionEnvironment {
  readonly name: string;
  invoke(event: unknown, options?: Omit<InvokeOptions, 'timeoutMs'>): Promise<InvocationResult>;
  /** Everything the function has written so far. */
  readonly output: string;
  /** Milliseconds from starting the process to its first request for an event; null before. */
  readonly coldStartMs: number | null;
  /** The running process, if there is one; with walls, what keeps them up. */
  readonly pid: number | null;
  /** The Runtime API's host and port, which every process of the environment can reach. */
  readonly runtimeApi: string;
  /**
   * Stops everything in it, as Lambda does between invocations, once the function asks for its next event. The next
   * invocation lets it go on.
   */
  freeze(): Promise<void>;
  /** Kills the process the hard way, as a crash would, with what it is doing. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** A program that ends without stopping its functions leaves none behind. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const MAX_FREEZE_MS = 5_000;

export async function startFunction(options: FunctionOptions): Promise<FunctionEnvironment> {
  const api: RuntimeApi = await createRuntimeApi({
    functionName: options.name,
    onTimeout: () => child?.kill('SIGKILL'),
  });
  let child: ChildProcess | null = null;
  let startedAtMs = 0;
  let output = '';

  const { folder, handler, walls } = options;
  const { command, args, taskRoot } = walls
    ? sandboxedCommand(walls.sandbox, folder, handler, walls.writable)
    : plainCommand(folder, handler);
  const variables = { ...lambdaEnvironment(options, taskRoot, api.address), ...options.environment };
  // Behind walls everything inside has ended when the pipes are closed.
  const over = walls ? 'close' : 'exit';

  const start = () => {
    startedAtMs = Date.now();
    const started = spawn(command, args, {
      cwd: walls ? '/' : folder,
      env: walls ? {} : variables,
      stdio: ['ignore', 'pipe', 'pipe', walls ? 'pipe' : 'ignore'],
    });
    if (walls) (started.stdio[3] as Writable).on('error', () => {}).end(asShellVariables(variables));
    child = started;
    running.add(started);
    for (const stream of [started.stdout as Readable, started.stderr as Readable]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        options.onOutput?.(text);
      });
    }
    started.on(over, (code, signal) => {
      running.delete(started);
      if (child !== started) return;
      child = null;
      const waiting = api.fail({
        errorType: 'Runtime.ExitError',
        errorMessage: `Runtime exited with ${signal ? `signal ${signal}` : `code ${code}`}`,
      });
      if (waiting > 0) start();
    });
  };

  const end = async (signal: NodeJS.Signals) => {
    const ending = child;
    if (!ending) return;
    const gone = once(ending, over);
    ending.kill(signal);
    await gone;
  };

  /** By pid. What the function itself had stopped stays so, as on Lambda. */
  const frozen = new Set<number>();
  const stop = (pid: number) => {
    frozen.add(pid);
    signal(pid, 'SIGSTOP');
  };
  /** Parents last, so that no shell takes a stopped child for Ctrl-Z. */
  const thaw = () => {
    if (!child?.pid) return;
    for (const { pid } of [...inside(child.pid)].reverse()) if (frozen.has(pid)) signal(pid, 'SIGCONT');
    frozen.clear();
  };
  const inside = (pid: number) => {
    const below = processesBelow(pid);
    return walls ? below : [...below, { pid, parent: 0, state: 'T' }];
  };

  return {
    name: options.name,
    runtimeApi: api.address,
    async freeze() {
      if (!child) return;
      await api.idle();
      const deadline = Date.now() + MAX_FREEZE_MS;
      while (child?.pid) {
        const moving = movingIn(processesBelow(child.pid));
        if (!walls) stop(child.pid);
        if (moving.length === 0) return;
        for (const { pid } of moving) stop(pid);
        if (Date.now() > deadline) throw new Error(`${options.name} cannot be frozen.`);
        await sleep(2);
      }
    },
    get output() {
      return output;
    },
    get coldStartMs() {
      return api.readyAtMs === null ? null : api.readyAtMs - startedAtMs;
    },
    get pid() {
      return child?.pid ?? null;
    },
    async invoke(event, invokeOptions = {}) {
      if (!child) start();
      thaw();
      const timeoutMs = typeof options.timeoutMs === 'number' ? options.timeoutMs : options.timeoutMs();
      return await api.invoke(event, { timeoutMs, ...invokeOptions });
    },
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGKILL');
      await api.close();
    },
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function lambdaEnvironment(
  options: FunctionOptions,
  taskRoot: string,
  address: string,
): Record<string, string> {
  return {
    PATH: options.walls ? '/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin' : (process.env.PATH ?? ''),
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    AWS_LAMBDA_RUNTIME_API: address,
    AWS_LAMBDA_FUNCTION_NAME: options.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(options.memoryMb ?? 512),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${options.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'local',
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    LAMBDA_TASK_ROOT: taskRoot,
    _HANDLER: options.handler,
  };
}
