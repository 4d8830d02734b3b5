// Reads an agent folder and checks all of it, so that `start` fails with a sentence and not a turn with a riddle.
// Every fault is Invalid('bad-agent-folder') whose message names file and field, and whose advice says what to do.
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { z } from 'zod';
import { settingFault } from '../setting-fault.ts';
import { hasReference, type RemoteServer, remoteServerFault } from '../tool-servers/remote-server.ts';
import type { ServerList } from '../tool-servers/server-list.ts';
import { isAllowed } from '../tool-servers/tool-rules.ts';
import {
  type AgentFolder,
  type AgentSettings,
  agentsSchema,
  BUILT_IN_TOOLS,
  type McpServer,
  mcpSchema,
  type Skill,
  type Subagent,
  settingsSchema,
} from './agent-folder-schema.ts';
import { parseAskRule } from './ask-rules.ts';
import { badFolder } from './bad-folder.ts';
import { checkCommands } from './folder-commands.ts';
import { readSkill } from './skill-file.ts';

export type { AgentFolder } from './agent-folder-schema.ts';

/** Those, and what else may be reached because its owner wrote it. */
export function serverListOf(folder: Pick<AgentFolder, 'mcpServers' | 'settings'>): ServerList {
  const { network } = folder.settings;
  return {
    servers: remoteServersOf(folder),
    tools: toolsOf(folder.settings),
    allow: typeof network === 'string' ? [] : network.allow,
  };
}

/** Those of its tool servers that are at a URL. */
export function remoteServersOf({ mcpServers }: Pick<AgentFolder, 'mcpServers'>): RemoteServer[] {
  return Object.entries(mcpServers).flatMap(([name, server]) =>
    'url' in server
      ? [
          {
            name,
            type: server.type,
            url: server.url,
            headers: server.headers ?? {},
            ...(server.oauth === undefined ? {} : { oauth: server.oauth === true ? {} : server.oauth }),
          },
        ]
      : [],
  );
}

export async function loadAgentFolder(path: string): Promise<AgentFolder> {
  const folder = await realpath(resolve(path)).catch((cause: unknown) => {
    throw badFolder(
      `The agent folder "${path}" does not exist.`,
      'Check the path, or make one with `init`.',
      cause,
    );
  });
  if (!(await stat(folder)).isDirectory()) {
    throw badFolder(
      `The agent folder "${path}" is not a folder.`,
      'Name the folder that holds system_prompt.md.',
    );
  }
  const systemPrompt = (await readText(folder, 'system_prompt.md'))?.trim();
  if (!systemPrompt) {
    throw badFolder(
      systemPrompt === undefined ? 'system_prompt.md: missing.' : 'system_prompt.md: empty.',
      'Write who the agent is and how it answers, in Markdown.',
    );
  }
  const settings: AgentSettings =
    (await readJson(folder, 'settings.json', settingsSchema)) ??
    settingsSchema.parse({ tools: { allow: [] } });
  const mcpServers = expandServers((await readJson(folder, 'mcp.json', mcpSchema))?.mcpServers ?? {}, folder);
  checkServers(mcpServers);
  checkTools('settings.json: tools.allow', settings.tools.allow, mcpServers);
  checkAsk(settings.tools.ask ?? [], mcpServers);
  checkClaudeSettings(settings);
  const agents = await readAgents(folder, mcpServers, settings.tools.allow);
  const skills = await readSkills(folder);
  checkCommands({ settings, skills }, toolsOf(settings));
  return { path: folder, systemPrompt, agents, mcpServers, skills, settings };
}

async function readText(folder: string, file: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, file), 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw badFolder(`${file}: cannot be read.`, 'Make it a plain file that this user may read.', cause);
  }
}

async function readJson<T extends z.ZodType>(
  folder: string,
  file: string,
  schema: T,
): Promise<z.infer<T> | undefined> {
  const text = await readText(folder, file);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw badFolder(
      `${file}: line ${lineOf(text, reason)}: not JSON.`,
      'Mend the file; `npx jsonlint` finds slips.',
      cause,
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw badFolder(
    `${file}: ${settingFault(parsed.error)}.`,
    'See docs/agent-folder.md for the fields of this file.',
    parsed.error,
  );
}

/** Where the parser stopped, from its message; the last line when it does not say. */
function lineOf(text: string, reason: string): number {
  const position = /position (\d+)/.exec(reason)?.[1];
  const before = position === undefined ? text.trimEnd() : text.slice(0, Number(position));
  return before.split('\n').length;
}

function checkTools(
  where: string,
  tools: readonly string[],
  servers: Readonly<Record<string, McpServer>>,
): void {
  const builtIn: readonly string[] = BUILT_IN_TOOLS;
  for (const [index, tool] of tools.entries()) {
    if (builtIn.includes(tool)) continue;
    const server = /^mcp__([A-Za-z0-9-]+)(__[A-Za-z0-9_-]+)?$/.exec(tool)?.[1];
    if (server !== undefined && server in servers) continue;
    throw badFolder(
      server === undefined
        ? `${where}.${index}: "${tool}" is not a tool.`
        : `${where}.${index}: "${tool}" names the server "${server}", which mcp.json does not have.`,
      server === undefined
        ? `Known tools: ${BUILT_IN_TOOLS.join(', ')}; and mcp__<server> or mcp__<server>__<tool>.`
        : 'Add the server to mcp.json or take the tool out.',
    );
  }
}

function checkAsk(rules: readonly string[], servers: Readonly<Record<string, McpServer>>): void {
  const tools = rules.map((rule, index) => {
    const parsed = parseAskRule(rule);
    if (parsed) return parsed.tool;
    throw badFolder(
      `settings.json: tools.ask.${index}: "${rule}" is not a rule.`,
      'Name a tool, or a tool and what it is given: Bash, Bash(git push *), Write(docs/*), WebFetch(https://*).',
    );
  });
  checkTools('settings.json: tools.ask', tools, servers);
}

function checkServers(servers: Readonly<Record<string, McpServer>>): void {
  for (const remote of remoteServersOf({ mcpServers: servers })) {
    const wrong = remoteServerFault(remote);
    if (wrong === null) continue;
    throw badFolder(
      `mcp.json: mcpServers.${remote.name}.${wrong}.`,
      'See docs/tools-and-credentials.md for servers at a URL.',
    );
  }
  for (const [name, server] of Object.entries(servers)) {
    if (!('command' in server)) continue;
    const texts = [server.command, ...(server.args ?? []), ...Object.values(server.env ?? {})];
    if (!texts.some(hasReference)) continue;
    throw badFolder(
      `mcp.json: mcpServers.${name}: a stored credential cannot be given to a server that runs beside the agent.`,
      "Everything there is within the agent's reach: run that server elsewhere and name its URL.",
    );
  }
}

/** What decides about permissions is in `tools` and `sandbox`, in one place. */
function checkClaudeSettings(settings: AgentSettings): void {
  for (const key of ['permissions', 'sandbox', 'env', 'apiKeyHelper']) {
    if (settings.claude && key in settings.claude) {
      throw badFolder(
        `settings.json: claude.${key}: not allowed here.`,
        'Use tools.allow and sandbox of settings.json; credentials and environment come from the server.',
      );
    }
  }
}

async function readAgents(
  folder: string,
  servers: Readonly<Record<string, McpServer>>,
  allowed: readonly string[],
): Promise<Record<string, Subagent>> {
  const agents: Record<string, Subagent> = {};
  const listed = (await readJson(folder, 'agents.json', agentsSchema)) ?? {};
  for (const [name, agent] of Object.entries(listed)) {
    const where = `agents.json: ${name}`;
    if ((agent.prompt === undefined) === (agent.prompt_file === undefined)) {
      throw badFolder(`${where}.prompt: give either prompt or prompt_file.`, 'One of the two, not both.');
    }
    if (agent.tools) {
      checkTools(`${where}.tools`, agent.tools, servers);
      const denied = agent.tools.find((tool) => !isAllowed(tool, allowed));
      if (denied !== undefined) {
        throw badFolder(
          `${where}.tools: "${denied}" is not in tools.allow of settings.json.`,
          'A subagent can use only what the agent may use: allow it there or take it out here.',
        );
      }
    }
    const prompt =
      agent.prompt ?? (await readPromptFile(folder, agent.prompt_file ?? '', `${where}.prompt_file`));
    agents[name] = {
      description: agent.description,
      prompt,
      ...(agent.tools === undefined ? {} : { tools: agent.tools }),
      ...(agent.model === undefined ? {} : { model: agent.model }),
    };
  }
  return agents;
}

/** The tools that an agent has: those that run, and those that people decide about. */
export function toolsOf({ tools }: Pick<AgentSettings, 'tools'>): readonly string[] {
  const asked = (tools.ask ?? []).flatMap((rule) => parseAskRule(rule)?.tool ?? []);
  return [...new Set([...tools.allow, ...asked])];
}

async function readPromptFile(folder: string, file: string, where: string): Promise<string> {
  const path = await realpath(resolve(folder, file)).catch((cause: unknown) => {
    throw badFolder(
      `${where}: "${file}" does not exist.`,
      'The path is relative to the agent folder.',
      cause,
    );
  });
  if (!path.startsWith(folder + sep)) {
    throw badFolder(
      `${where}: "${file}" lies outside the agent folder.`,
      'Move the file into the agent folder.',
    );
  }
  const text = (await readFile(path, 'utf8')).trim();
  if (text === '') throw badFolder(`${where}: "${file}" is empty.`, 'Write the prompt into it.');
  return text;
}

async function readSkills(folder: string): Promise<Skill[]> {
  const entries = await readdir(join(folder, 'skills'), { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  return Promise.all(
    names
      .map((entry) => entry.name)
      .sort()
      .map(async (name) => readSkill(folder, name, await readText(folder, `skills/${name}/SKILL.md`))),
  );
}

function expandServers(
  servers: Readonly<Record<string, McpServer>>,
  folder: string,
): Record<string, McpServer> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the word as people write it in mcp.json.
  const expand = (text: string): string => text.replaceAll('${AGENT_DIR}', folder);
  return Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [
      name,
      'command' in server
        ? { ...server, command: expand(server.command), args: (server.args ?? []).map(expand) }
        : server,
    ]),
  );
}
