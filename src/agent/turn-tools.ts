// Which tool servers at URLs a turn has: those of its agent folder, for the person who wrote.
import { tenantOf } from '../core/ids.ts';
import type { HostRun } from '../core/ports/hosts.ts';
import { personOf } from '../core/vault.ts';
import type { ToolServers } from '../tool-servers/tool-servers.ts';
import type { ToolServerCalls } from '../tool-servers/turn-tool-servers.ts';
import { type AgentFolder, serverListOf } from './agent-folder.ts';
import type { ToolNarrowing } from './narrowed-tools.ts';

/** null: the turn has no such servers. */
export type TurnTools = (run: HostRun, agent: TurnAgent) => ToolServerCalls | null;

export interface TurnAgent {
  /** Of its folder; null for the installation's own. */
  readonly name: string | null;
  readonly narrowing?: ToolNarrowing;
}

export function createTurnTools(parts: {
  readonly toolServers: ToolServers;
  readonly own: AgentFolder;
  readonly named?: ReadonlyMap<string, AgentFolder>;
}): TurnTools {
  const { toolServers, own, named } = parts;
  return ({ request, sessionId }, { name, narrowing }) => {
    const folder = name === null ? own : named?.get(name);
    const list = folder && serverListOf(folder);
    if (!list || list.servers.length === 0) return null;
    return toolServers.openTurn({
      tenant: tenantOf(request.sessionKey),
      sessionId,
      turnId: request.turnId,
      speaker: personOf(request),
      speakerName: request.sender?.name ?? 'you',
      ...list,
      ...(narrowing && { narrowing }),
    });
  };
}
