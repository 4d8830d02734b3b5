// An agent folder with fewer tools than it allows: what is said for one tenant narrows the folder's own list and can never widen
// it. A denied tool stays denied whatever else allows it, a single one of a server's, too.
import { type AgentFolder, isAllowed } from './agent-folder.ts';

export interface ToolNarrowing {
  /** null: as the folder says. */
  readonly allow: readonly string[] | null;
  readonly deny: readonly string[];
}

export function narrowedTools(folder: AgentFolder, { allow, deny }: ToolNarrowing): AgentFolder {
  if (allow === null && deny.length === 0) return folder;
  const own = folder.settings.tools.allow;
  const narrowed = (tools: readonly string[]): string[] =>
    (allow === null ? [...tools] : common(tools, allow)).filter((tool) => !isAllowed(tool, deny));
  const tools = narrowed(own);
  return {
    ...folder,
    denied: [...(folder.denied ?? []), ...deny],
    agents: Object.fromEntries(
      Object.entries(folder.agents).map(([name, agent]) => [
        name,
        agent.tools === undefined ? agent : { ...agent, tools: narrowed(agent.tools) },
      ]),
    ),
    // A server of which nothing may be used any more is not started.
    mcpServers: Object.fromEntries(
      Object.entries(folder.mcpServers).filter(([name]) => !usesServer(own, name) || usesServer(tools, name)),
    ),
    settings: { ...folder.settings, tools: { ...folder.settings.tools, allow: tools } },
  };
}

/** Of `mcp__dice` and `mcp__dice__roll` the second. */
function common(tools: readonly string[], others: readonly string[]): string[] {
  const kept = tools.filter((tool) => isAllowed(tool, others));
  const narrower = others.filter((tool) => isAllowed(tool, tools));
  return [...new Set([...kept, ...narrower])];
}

function usesServer(tools: readonly string[], name: string): boolean {
  return tools.some((tool) => tool === `mcp__${name}` || tool.startsWith(`mcp__${name}__`));
}
