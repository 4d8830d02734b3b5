// Starts the CLI as the leader of a process group of its own, and knows how it ended. What it writes to stderr is kept (its end) for the operator, never shown to a chat.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { SpawnedProcess, SpawnOptions } from '@anthropic-ai/claude-agent-sdk';
import { cutTextStart } from '../text/cut-text.ts';

export interface CliProcess {
  spawn(options: SpawnOptions): SpawnedProcess;
  /** Ends the CLI at once; its children are left to `endProcesses`. */
  kill(): void;
  pids(): number[];
  /** Resolves when every started process has been reaped. */
  ended(): Promise<void>;
  /** How it ended when nobody asked it to; null for a regular end. */
  crash(): Crash | null;
}

export interface Crash {
  readonly reason: string;
  /** By a signal, or it never started: not by a decision of its own. */
  readonly killed: boolean;
}

/** Of a signal that the CLI took notice of, it reports an exit code from here on. */
const SIGNAL_EXIT_CODES = 128;
const STDERR_KEPT = 8_192;

export function createCliProcess(): CliProcess {
  const children: ChildProcess[] = [];
  let stderr = '';
  let failure: string | null = null;
  let killed = false;

  function start(options: SpawnOptions): SpawnedProcess {
    const child = spawn(options.command, options.args, {
      env: options.env,
      cwd: options.cwd,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      signal: options.signal,
      killSignal: 'SIGKILL',
    });
    children.push(child);
    child.on('error', (error) => {
      if (error.name !== 'AbortError') failure ??= `it could not be started (${error.message})`;
    });
    child.stdin.on('error', () => {});
    child.stderr.on('data', (data: Buffer) => {
      stderr = cutTextStart(stderr + data.toString('utf8'), STDERR_KEPT);
    });
    child.on('exit', (_code, signal) => {
      if (signal && !killed) failure ??= `it was ended by ${signal}`;
    });
    return child;
  }

  return {
    spawn: start,
    kill() {
      killed = true;
      for (const child of children) child.kill('SIGKILL');
    },
    pids: () => children.flatMap((child) => (child.pid === undefined ? [] : [child.pid])),
    async ended() {
      killed = true;
      await Promise.all(
        children.map(async (child) => {
          if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
          await once(child, 'exit');
        }),
      );
    },
    crash() {
      const code = children.at(-1)?.exitCode;
      const reason = failure ?? (code ? `it ended with exit code ${code}` : null);
      if (reason === null) return null;
      const tail = stderr.trim().split('\n').slice(-3).join(' ');
      return {
        reason: tail === '' ? reason : `${reason}: ${tail}`,
        killed: failure !== null || (code ?? 0) >= SIGNAL_EXIT_CODES,
      };
    },
  };
}
