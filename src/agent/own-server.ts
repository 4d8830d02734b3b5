// The tool server of our own tools, as one turn has them.
import { createSdkMcpServer, type McpServerConfig } from '@anthropic-ai/claude-agent-sdk';
import type { ExecutionDirectory } from '../core/ports/execution.ts';
import { isAllowed } from '../tool-servers/tool-rules.ts';
import { type AgentFolder, toolsOf } from './agent-folder.ts';
import { keepRunningTool } from './keep-running-tool.ts';
import { KEEP_RUNNING, OWN_SERVER, SEND_FILE } from './own-tools.ts';
import { sendFileTool } from './send-file-tool.ts';

/** They give away nothing that the agent could not say or do: on, unless denied, and where they are of use. */
export function ownTools({ settings, denied = [] }: AgentFolder): readonly string[] {
  const keeps = toolsOf(settings).includes('Bash') && settings.background.longestMinutes > 0;
  return [SEND_FILE, ...(keeps ? [KEEP_RUNNING] : [])].filter((tool) => !isAllowed(tool, denied));
}

export function ownServer(
  folder: AgentFolder,
  directory: ExecutionDirectory,
): Readonly<Record<string, McpServerConfig>> {
  const names = ownTools(folder);
  if (names.length === 0) return {};
  const tools = [
    ...(names.includes(SEND_FILE) ? [sendFileTool(directory)] : []),
    ...(names.includes(KEEP_RUNNING) ? [keepRunningTool(folder.settings.background)] : []),
  ];
  return {
    [OWN_SERVER]: createSdkMcpServer({ name: OWN_SERVER, version: '1.0.0', tools, alwaysLoad: true }),
  };
}
