// One execution environment of one function: a process of the real aws-lambda-ric over a folder, as Lambda starts
// it. A crash, a timeout or `kill` ends the process; the next event starts a new one, as on Lambda.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  createRuntimeApi,
  type InvocationResult,
  type InvokeOptions,
  type RuntimeApi,
} from './runtime-api.ts';

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
  /** Gets every line of the function's output. */
  readonly onOutput?: (text: string) => void;
}

export interface FunctionEnvironment {
  readonly name: string;
  invoke(event: unknown, onChunk?: InvokeOptions['onChunk']): Promise<InvocationResult>;
  /** Everything the function has written so far. */
  readonly output: string;
  /** Milliseconds from starting the process to its first request for an event; null before. */
  readonly coldStartMs: number | null;
  /** The running process, if there is one. */
  readonly pid: number | null;
  /** Kills the process the hard way, as a crash would, with what it is doing. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** A program that ends without stopping its functions leaves none behind. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const RUNTIME_CLIENT = fileURLToPath(import.meta.resolve('aws-lambda-ric'));
const ADDON = join(import.meta.dirname, 'rapid-client.cjs');

export async function startFunction(options: FunctionOptions): Promise<FunctionEnvironment> {
  const api: RuntimeApi = await createRuntimeApi({
    functionName: options.name,
    onTimeout: () => child?.kill('SIGKILL'),
  });
  let child: ChildProcess | null = null;
  let startedAtMs = 0;
  let output = '';

  const start = () => {
    startedAtMs = Date.now();
    const started = spawn(process.execPath, ['--require', ADDON, RUNTIME_CLIENT, options.handler], {
      cwd: options.folder,
      env: { ...lambdaEnvironment(options, api.address), ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    running.add(started);
    for (const stream of [started.stdout, started.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        options.onOutput?.(text);
      });
    }
    started.on('exit', (code, signal) => {
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
    const gone = once(ending, 'exit');
    ending.kill(signal);
    await gone;
  };

  return {
    name: options.name,
    get output() {
      return output;
    },
    get coldStartMs() {
      return api.readyAtMs === null ? null : api.readyAtMs - startedAtMs;
    },
    get pid() {
      return child?.pid ?? null;
    },
    async invoke(event, onChunk) {
      if (!child) start();
      const timeoutMs = typeof options.timeoutMs === 'number' ? options.timeoutMs : options.timeoutMs();
      return await api.invoke(event, { timeoutMs, ...(onChunk ? { onChunk } : {}) });
    },
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGKILL');
      await api.close();
    },
  };
}

function lambdaEnvironment(options: FunctionOptions, address: string): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '',
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
    LAMBDA_TASK_ROOT: options.folder,
    _HANDLER: options.handler,
  };
}
