// A CLI that is started by itself in the sandbox of a host, for checks: it has the session's folders and the agent folder,
// and the network of this machine. Turns do not use it; there the CLI runs inside a host's program.
import { EventEmitter } from 'node:events';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import type { SpawnedProcess, SpawnOptions } from '@anthropic-ai/claude-agent-sdk';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { programPaths, type Sandbox, type SandboxedProcess, startInSandbox } from '../host/sandbox/index.ts';
import type { AgentFolder } from './agent-folder.ts';
import type { CliProcess } from './cli-process.ts';

export interface WalledCliOptions {
  readonly sandbox: Sandbox;
  /** With `home` and `tmp` beside its two folders. */
  readonly directory: ExecutionDirectory;
  readonly folder: AgentFolder;
}

export function createWalledCli(options: WalledCliOptions): Pick<CliProcess, 'spawn' | 'pids' | 'ended'> {
  const started: SandboxedCli[] = [];
  return {
    spawn(spawning) {
      const cli = new SandboxedCli(() => start(options, spawning));
      started.push(cli);
      spawning.signal.addEventListener('abort', () => cli.kill(), { once: true });
      return cli;
    },
    pids: () => started.flatMap(({ pid }) => pid ?? []),
    async ended() {
      for (const cli of started) cli.kill();
      await Promise.all(started.map(({ ended }) => ended));
    },
  };
}

async function start(
  { sandbox, directory, folder }: WalledCliOptions,
  { command, args, cwd = directory.workspace, env }: SpawnOptions,
): Promise<SandboxedProcess> {
  const { root } = directory;
  // Started by root, the inside is another user, who may not read what is private to root.
  const copy = process.getuid?.() === 0 ? join(root, 'folder') : undefined;
  if (copy) await cp(folder.path, copy, { recursive: true, dereference: true });
  return await startInSandbox({
    sandbox,
    // Who starts it may not enter the folder that was given to the inside.
    program: { command: '/bin/sh', args: ['-c', 'cd "$0" && exec "$@"', cwd, command, ...args] },
    env: Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value ? [[name, value]] : []))),
    cwd: root,
    directories: {
      root,
      writable: ['config', 'workspace', 'home', 'tmp'].map((name) => ({ path: join(root, name) })),
      readOnly: [command, ...(copy ? [] : [folder.path]), ...programPaths()],
      // The first is what static-config.ts laid beside the session.
      incoming: [{ path: join(root, 'agent') }, ...(copy ? [{ path: copy, at: folder.path }] : [])],
    },
    stdio: ['pipe', 'pipe', 'ignore'],
    network: 'open',
    limits: folder.settings.limits,
  });
}

/** What the SDK takes for a process from the first moment on, though a sandbox takes a moment to be there. */
class SandboxedCli extends EventEmitter implements SpawnedProcess {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly ended: Promise<void>;
  killed = false;
  exitCode: number | null = null;
  signalCode: NodeJS.Signals | null = null;
  pid: number | undefined;
  private process: SandboxedProcess | undefined;

  constructor(start: () => Promise<SandboxedProcess>) {
    super();
    this.ended = this.run(start);
  }

  kill(): boolean {
    this.killed = true;
    this.process?.kill();
    return true;
  }

  private async run(start: () => Promise<SandboxedProcess>): Promise<void> {
    try {
      this.process = await start();
    } catch (error) {
      this.emit('error', error);
      return;
    }
    const { pid, stdio, kill, ended } = this.process;
    this.pid = pid;
    if (this.killed) kill();
    const [input, output] = [stdio[0] as Writable, stdio[1] as Readable];
    // A CLI that ends takes no more input, and nobody misses it.
    input.on('error', () => {});
    this.stdin.pipe(input);
    output.pipe(this.stdout);
    const { code, signal } = await ended;
    this.exitCode = code;
    this.signalCode = signal;
    this.emit('exit', code, signal);
  }
}
