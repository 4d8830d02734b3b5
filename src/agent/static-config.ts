// What the CLI is given besides the session: skills as a plugin of its own, written anew and read-only beside the
// session's files, and nothing else from disk. Why a plugin: with no setting source the CLI reads no settings,
// hooks, skills or CLAUDE.md from the configuration or working directory, so what a session writes there is inert;
// a plugin named on the command line is still loaded, and holds only what the agent folder holds.
// As a second safeguard, whatever could be configuration is removed from the session's directory before and after a turn.
import { chmod, cp, lstat, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { EXCLUDED_FROM_CONFIG } from '../state/excluded.ts';
import type { AgentFolder } from './agent-folder.ts';
import { removeTree } from './remove-tree.ts';
import { layShellWrapper, SHELL_STATE } from './shell-state.ts';

/** The plugin's name: a skill is called `agent:<name>`. */
export const PLUGIN = 'agent';

/** Read by a CLI as configuration, or rebuilt by it at every start: never part of a session. */
export const NOT_SESSION: readonly string[] = EXCLUDED_FROM_CONFIG.map(({ name }) => name);

export interface LaidConfiguration {
  /** The plugin folder with all its files. */
  readonly agent: string;
  readonly shellWrapper: string;
}

export async function layConfiguration(
  folder: AgentFolder,
  directory: ExecutionDirectory,
): Promise<LaidConfiguration> {
  await dropConfiguration(directory);
  for (const part of ['home', 'tmp'])
    await mkdir(join(directory.root, part), { recursive: true, mode: 0o700 });
  const laid = laidPlaces(directory);
  const { agent, shellWrapper } = laid;
  await removeTree(agent);
  await mkdir(join(agent, '.claude-plugin'), { recursive: true, mode: 0o700 });
  const manifest = { name: PLUGIN, version: '1.0.0', description: 'The skills of this agent.' };
  await writeFile(join(agent, '.claude-plugin', 'plugin.json'), JSON.stringify(manifest));
  await mkdir(join(agent, 'skills'));
  for (const skill of folder.skills) {
    await cp(skill.path, join(agent, 'skills', skill.name), { recursive: true, dereference: true });
  }
  await layShellWrapper(shellWrapper, join(directory.config, SHELL_STATE));
  await makeReadOnly(agent);
  return laid;
}

/** Where it is laid in: always the same for a directory. */
export function laidPlaces(directory: ExecutionDirectory): LaidConfiguration {
  const agent = join(directory.root, 'agent');
  return { agent, shellWrapper: join(agent, 'shell.sh') };
}

/** Takes out of the configuration directory what is not the session's, whoever put it there. */
export async function dropConfiguration(directory: ExecutionDirectory): Promise<void> {
  await Promise.all(NOT_SESSION.map((name) => removeTree(join(directory.config, name))));
}

async function makeReadOnly(path: string): Promise<void> {
  const info = await lstat(path);
  if (info.isDirectory()) {
    for (const entry of await readdir(path)) await makeReadOnly(join(path, entry));
    // Its own right to write stays: the folder is removed by this user, and the sandbox mounts it read-only anyway.
    await chmod(path, 0o700);
  } else if (info.isFile()) {
    await chmod(path, info.mode & 0o111 ? 0o555 : 0o444);
  }
}
