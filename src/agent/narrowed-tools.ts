// An agent folder with fewer tools than it allows: what is said for one tenant narrows the folder's own list and can never widen
// it. A denied tool stays denied whatever else allows it, a single one of a server's, too.

import { isAllowed } from '../tool-servers/tool-rules.ts';
import { type AgentFolder, toolsOf } from './agent-folder.ts';
import { parseAskRule } from './ask-rules.ts';

export interface ToolNarrowing {
  /** null: as the folder says. */
  readonly allow: readonly string[] | null;
  readonly deny: readonly string[];
}

export function narrowedTools(folder: AgentFolder, { allow, deny }: ToolNarrowing): AgentFolder {
  if (allow === null && deny.length === 0) return folder;
  const { settings } = folder;
  const narrowed = (tools: readonly string[]): string[] =>
    (allow === null ? [...tools] : common(tools, allow)).filter((tool) => !isAllowed(tool, deny));
  /** A rule about a whole tool server names what is left of it; a rule about a tool that is gone would bring it back. */
  const narrowedRule = (rule: string): string[] => {
    const parsed = parseAskRule(rule);
    const left = parsed ? narrowed([parsed.tool]) : [];
    return parsed?.given && left.length > 0 ? [rule] : left;
  };
  const tools = { ...settings.tools, allow: narrowed(settings.tools.allow) };
  if (settings.tools.ask) tools.ask = settings.tools.ask.flatMap(narrowedRule);
  const [before, after] = [toolsOf(settings), toolsOf({ tools })];
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
      Object.entries(folder.mcpServers).filter(
        ([name]) => !usesServer(before, name) || usesServer(after, name),
      ),
    ),
    settings: { ...settings, tools },
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
