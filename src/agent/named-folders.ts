// Agent folders that tenants may be given, besides the installation's own: the folders in one folder, by their names.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AgentFolder, loadAgentFolder } from './agent-folder.ts';
import { badFolder } from './bad-folder.ts';

/** As in a tenant's settings. */
export const FOLDER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** null: there are none. Throws Invalid('bad-agent-folder') for one with a fault. */
export async function loadNamedFolders(folder: string | null): Promise<ReadonlyMap<string, AgentFolder>> {
  if (folder === null) return new Map();
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw badFolder(
      `The folder of agent folders "${folder}" cannot be read.`,
      'Check tenants.agentFolders in the configuration.',
      cause,
    );
  });
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  const loaded = names.map(async ({ name }) => {
    if (!FOLDER_NAME.test(name)) {
      throw badFolder(
        `"${name}" is no name of an agent folder.`,
        'Use letters, digits, ".", "_" and "-", up to 100 of them.',
      );
    }
    return [name, await loadAgentFolder(join(folder, name))] as const;
  });
  return new Map(await Promise.all(loaded));
}
