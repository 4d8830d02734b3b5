// Runs the command as a user does, as a process of its own, in an empty folder.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach } from 'vitest';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Record<string, string>;
  readonly input?: string;
  readonly command?: readonly string[];
}

export const LAUNCHER = resolve('bin/hybrid-sessions.mjs');

/** The environment of a user with no account and no settings. */
export function plainEnvironment(cwd: string, env: Record<string, string> = {}): Record<string, string> {
  const { PATH = '', TMPDIR, NODE_COMPILE_CACHE } = process.env;
  return {
    PATH,
    HOME: cwd,
    ...(TMPDIR && { TMPDIR }),
    ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }),
    HYBRID_SESSIONS_LOG: 'error',
    ...env,
  };
}

export function start(
  args: readonly string[],
  { cwd, env, command = [process.execPath, LAUNCHER] }: RunOptions,
) {
  const [program = '', ...before] = command;
  return spawn(program, [...before, ...args], { cwd, env: plainEnvironment(cwd, env) });
}

export async function run(args: readonly string[], options: RunOptions): Promise<Ran> {
  const child = start(args, options);
  let out = '';
  let err = '';
  child.stdout.on('data', (piece) => {
    out += piece;
  });
  child.stderr.on('data', (piece) => {
    err += piece;
  });
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number | null>((done) => child.once('close', done));
  return { code, out, err };
}

const folders: string[] = [];
afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-cli-'));
  folders.push(folder);
  return folder;
}
