// Tries the tool servers at URLs as a turn reaches them, from here: through a gateway, as somebody who has stored nothing of their own.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { newSessionId, sessionKeyOf, turnIdOf } from '../core/ids.ts';
import type { Vault } from '../core/ports/vault.ts';
import { person } from '../core/vault.ts';
import { createModelGateway } from '../gateway/model-gateway.ts';
import { toolServerPath } from '../gateway/tool-server-path.ts';
import { credentialsOf } from '../tool-servers/credentials.ts';
import type { RemoteServer } from '../tool-servers/remote-server.ts';
import { createToolServers } from '../tool-servers/tool-servers.ts';
import { type AgentFolder, serverListOf } from './agent-folder.ts';
import type { ToolServerState } from './tool-server-state.ts';

/** It is never asked. */
const NO_MODEL = { baseUrl: 'http://127.0.0.1:9', isDemo: true } as const;

export async function checkRemoteServers(
  folder: AgentFolder,
  vault: Vault,
  signal?: AbortSignal,
): Promise<readonly ToolServerState[]> {
  const list = serverListOf(folder);
  const tenant = DEFAULT_TENANT;
  const sessionKey = sessionKeyOf({ tenant, channel: 'check', bot: 'check', chat: 'check', thread: null });
  const ids = { tenant, sessionId: newSessionId(), turnId: turnIdOf(sessionKey, 'check') };
  const turn = { ...ids, speaker: person('check/nobody'), speakerName: 'nobody', ...list };
  const toolServers = createToolServers({ vault });
  const gateway = await createModelGateway({ upstream: NO_MODEL });
  const { url, token } = gateway.openTurn({
    ...ids,
    sessionKey,
    models: [],
    tools: toolServers.openTurn(turn),
  });
  const waitMs = folder.settings.timeLimits.toolServerStartSec * 1_000;

  async function state(server: RemoteServer): Promise<ToolServerState> {
    const { name } = server;
    // Whether a person's account works only shows when that person writes.
    if (server.oauth) return { name, started: true, reason: '', tools: 0 };
    const found = await credentialsOf(server, { turn, vault });
    if ('missing' in found) {
      const reason = `its credential "${found.missing}" is not stored (\`hybrid-sessions vault set ${found.missing}\`)`;
      return { name, started: false, reason, tools: 0 };
    }
    const client = new Client({ name: 'hybrid-sessions', version: '1.0.0' });
    const at = new URL(toolServerPath(name), url);
    const init = { requestInit: { headers: { authorization: `Bearer ${token}` } } };
    try {
      const options = { timeout: waitMs, ...(signal && { signal }) };
      const transport =
        server.type === 'sse'
          ? new SSEClientTransport(at, init)
          : new StreamableHTTPClientTransport(at, init);
      await client.connect(transport as Parameters<Client['connect']>[0], options);
      const { tools } = await client.listTools({}, options);
      return { name, started: true, reason: '', tools: tools.length };
    } catch (error) {
      signal?.throwIfAborted();
      return {
        name,
        started: false,
        reason: error instanceof Error ? error.message : String(error),
        tools: 0,
      };
    } finally {
      await client.close().catch(() => {});
    }
  }

  try {
    return await Promise.all(list.servers.map(state));
  } finally {
    await gateway.close();
    toolServers.close();
  }
}
