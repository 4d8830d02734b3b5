// The gateway's copy of what the agent folder says about tool servers at URLs: the folder itself is in the agents' image.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { remoteServersOf, toolsOf } from '../agent/agent-folder.ts';
import { mcpSchema, settingsSchema } from '../agent/agent-folder-schema.ts';
import { Invalid } from '../core/errors.ts';
import { settingFault } from '../setting-fault.ts';
import { remoteServerFault } from '../tool-servers/remote-server.ts';
import type { ServerList } from '../tool-servers/server-list.ts';

/** `folders`: by name. `pages`: whether there is anything that could show people the pages to sign in. */
export function serverListsIn(
  folders: Readonly<Record<string, string>>,
  { pages }: { readonly pages: boolean },
): Record<string, ServerList> {
  return Object.fromEntries(Object.entries(folders).map(([name, path]) => [name, serverListIn(path, pages)]));
}

/** Throws `Invalid('bad-agent-folder')` as an agent's function would at its start. */
function serverListIn(agentFolder: string, pages: boolean): ServerList {
  const { mcpServers = {} } = read(agentFolder, 'mcp.json', mcpSchema) ?? {};
  const settings = read(agentFolder, 'settings.json', settingsSchema);
  const network = settings?.network ?? 'none';
  const servers = remoteServersOf({ mcpServers });
  for (const server of servers) {
    const wrong =
      server.oauth && !pages
        ? 'oauth: people can sign in where agents are "isolated"; use headers with a stored credential'
        : remoteServerFault(server);
    if (wrong === null) continue;
    throw new Invalid('bad-agent-folder', `mcp.json: mcpServers.${server.name}.${wrong}.`);
  }
  return {
    servers,
    tools: settings ? toolsOf(settings) : [],
    allow: typeof network === 'string' ? [] : network.allow,
  };
}

export function hasSignIns(lists: Readonly<Record<string, ServerList>>): boolean {
  return Object.values(lists).some(({ servers }) => servers.some(({ oauth }) => oauth));
}

function read<T>(
  folder: string,
  file: string,
  schema: {
    safeParse(
      value: unknown,
    ): { success: true; data: T } | { success: false; error: Parameters<typeof settingFault>[0] };
  },
): T | null {
  const path = join(folder, file);
  if (!existsSync(path)) return null;
  const parsed = schema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new Invalid('bad-agent-folder', `${file}: ${settingFault(parsed.error)}.`, { cause: parsed.error });
}
