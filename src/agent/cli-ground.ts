// On what a CLI was started: all that it was given, and what it read once and would read anew if it were started now. A CLI
// may serve another turn only while a new one would be started on the same ground. Hence what the options will hold one
// day counts without being named here.
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { McpServerConfig, Options } from '@anthropic-ai/claude-agent-sdk';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { PROJECT_DIRECTORY } from './environment.ts';

export interface CliGround {
  readonly directory: string;
  readonly options: string;
  readonly toolServers: string;
  /** It tells the model once which day it is. */
  readonly date: string;
  /** It shows the memory's files as they were at its start. */
  readonly memory: string;
  /** It looks for a repository once. */
  readonly repository: string;
}

export type GroundPart = keyof CliGround;

export async function groundOf(options: Options, directory: ExecutionDirectory): Promise<CliGround> {
  // Whether the conversation goes on or begins is no difference between a CLI that has it and one that reads it.
  // A conversation that begins takes the default model without being told.
  const { cwd = '', resume, sessionId, model = 'default', mcpServers = {}, ...rest } = options;
  const given = { ...rest, model, conversation: resume ?? sessionId };
  const timeZone = options.env?.TZ ?? 'UTC';
  return {
    directory: cwd,
    options: digest(
      JSON.stringify(given, (_key, value) => (typeof value === 'function' ? 'function' : value)),
    ),
    toolServers: digest(
      JSON.stringify(Object.entries(mcpServers).map(([name, server]) => [name, withoutInstance(server)])),
    ),
    date: new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(),
    memory: digest(await memoryOf(directory)),
    repository: await repositoryOf(cwd, directory),
  };
}

/** The first part that differs; null when all are the same. */
export function differenceOf(one: CliGround, other: CliGround): GroundPart | null {
  return (Object.keys(one) as GroundPart[]).find((part) => one[part] !== other[part]) ?? null;
}

/** Tool servers that are programs live and end with the CLI. A connection to another one may be dead after hours. */
export function hasRemoteToolServers({ mcpServers = {} }: Options): boolean {
  return Object.values(mcpServers).some((server) => server.type === 'http' || server.type === 'sse');
}

async function memoryOf({ config }: ExecutionDirectory): Promise<string> {
  const folder = join(config, 'projects', PROJECT_DIRECTORY, 'memory');
  const names = await readdir(folder, { recursive: true }).catch((): string[] => []);
  const files = await Promise.all(
    names.sort().map(async (name) => {
      const info = await lstat(join(folder, name));
      if (info.isDirectory()) return '';
      const content = info.isFile() ? await readFile(join(folder, name)) : '';
      return `${name}\0${digest(content)}\n`;
    }),
  );
  return files.join('');
}

async function repositoryOf(cwd: string, { workspace }: ExecutionDirectory): Promise<string> {
  for (let folder = cwd; folder.startsWith(workspace); folder = dirname(folder)) {
    const found = await lstat(join(folder, '.git')).catch(() => null);
    if (found) return `${folder} ${found.ino} ${found.isDirectory()}`;
  }
  return '';
}

const digest = (content: string | Buffer): string => createHash('sha256').update(content).digest('base64url');

/** Tools of this process are the same in every turn: what they do goes by the turn that runs. */
function withoutInstance(server: McpServerConfig): object {
  return server.type === 'sdk' ? { type: server.type, name: server.name } : server;
}
