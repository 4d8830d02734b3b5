// A turn's way to tool servers, as an agent has it: a gateway's address and a token, and a client of the protocol's own SDK.
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { type Person, type SessionId, sessionKeyOf, tenantId, turnIdOf } from '../../src/core/ids.ts';
import type { Log } from '../../src/core/log.ts';
import type { Vault } from '../../src/core/ports/vault.ts';
import { person } from '../../src/core/vault.ts';
import { createModelGateway, type GatewayTurn } from '../../src/gateway/model-gateway.ts';
import { createMemoryVault } from '../../src/stores/memory/vault.ts';
import type { RemoteServer } from '../../src/tool-servers/remote-server.ts';
import { createToolServers, type ToolServersOptions } from '../../src/tool-servers/tool-servers.ts';
import type { ToolServerCalls, ToolServersOfTurn } from '../../src/tool-servers/turn-tool-servers.ts';

export const ANN = person('telegram/1001');
export const BOB = person('telegram/1002');
export const TENANT = tenantId('acme');
const SESSION = '11111111-1111-4111-8111-111111111111' as SessionId;
const KEY = sessionKeyOf({ tenant: 'acme', channel: 'telegram', bot: '7', chat: '-5', thread: null });

export type ToolTurn = GatewayTurn & Pick<ToolServerCalls, 'notes'>;

export interface Way {
  readonly vault: Vault;
  readonly logged: readonly string[];
  turn(servers: readonly RemoteServer[], speaker?: Person, over?: Partial<ToolServersOfTurn>): ToolTurn;
  close(): Promise<void>;
}

export async function openWay(options: Partial<ToolServersOptions> = {}): Promise<Way> {
  const vault = options.vault ?? createMemoryVault();
  const logged: string[] = [];
  const log: Log = (level, event, fields) => void logged.push(JSON.stringify([level, event, fields]));
  const toolServers = createToolServers({ ...options, vault, log });
  const gateway = await createModelGateway({ upstream: { baseUrl: 'http://127.0.0.1:9' } });
  let turns = 0;
  return {
    vault,
    logged,
    turn(servers, speaker = ANN, over = {}) {
      const ids = { tenant: TENANT, sessionId: SESSION, turnId: turnIdOf(KEY, `${++turns}`) };
      const tools = toolServers.openTurn({
        ...ids,
        speaker,
        speakerName: 'Ann',
        servers,
        tools: servers.map(({ name }) => `mcp__${name}`),
        allow: [],
        ...over,
      });
      const turn = gateway.openTurn({ ...ids, sessionKey: KEY, models: [], tools });
      return { ...turn, notes: tools.notes };
    },
    async close() {
      await gateway.close();
      toolServers.close();
    },
  };
}

export function server(url: string, over: Partial<RemoteServer> = {}): RemoteServer {
  return { name: 'github', type: 'http', url, headers: {}, ...over };
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: the word as people write it in mcp.json.
export const WITH_KEY = { Authorization: 'Bearer ${vault:github}' };

export const authorized = ({ token }: GatewayTurn) => ({ authorization: `Bearer ${token}` });

export async function connect(
  turn: GatewayTurn,
  { name = 'github', type = 'http' }: { name?: string; type?: 'http' | 'sse' } = {},
): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  const url = new URL(`${turn.url}/tool-servers/${name}`);
  const init = { requestInit: { headers: authorized(turn) } };
  await client.connect(
    type === 'sse'
      ? new SSEClientTransport(url, init)
      : (new StreamableHTTPClientTransport(url, init) as Parameters<Client['connect']>[0]),
  );
  return client;
}

export async function textOf(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const { content } = (await client.callTool({ name, arguments: args })) as { content: { text: string }[] };
  return content.map(({ text }) => text).join('\n');
}
