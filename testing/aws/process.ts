// Starts a server in its own process, waits until it is ready, and ends it reliably.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** Says why a stand-in cannot be started on this machine. Tests print the reason and are skipped. */
export interface Unavailable {
  readonly unavailable: string;
}

export interface StandIn {
  readonly endpoint: string;
  close(): Promise<void>;
}

/** A port of the loopback interface that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

export interface Started {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  stop(): Promise<void>;
}

export function startProcess(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Started {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  const keep = (chunk: Buffer) => {
    printed = (printed + chunk.toString()).slice(-20_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      printed += String(error);
      resolve();
    });
  });
  const killWithParent = () => child.kill('SIGKILL');
  process.once('exit', killWithParent);
  return {
    child,
    output: () => printed,
    async stop() {
      process.removeListener('exit', killWithParent);
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Asks until `ready` says yes; fails when the process ended or the time is over. */
export async function waitFor(
  ready: () => Promise<boolean>,
  started: Started | null,
  timeoutMs = 300_000,
): Promise<void> {
  const until = Date.now() + timeoutMs;
  while (!(await ready().catch(() => false))) {
    if (started && (started.child.exitCode !== null || started.child.signalCode !== null)) {
      throw new Error(`The server ended at once: ${started.output()}`);
    }
    if (Date.now() > until) throw new Error(`The server did not answer in time: ${started?.output() ?? ''}`);
    await pause(50);
  }
}
