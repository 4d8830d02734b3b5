// Starts the folder's tool servers as a turn would (the real CLI, in the sandbox, in a folder of its own) and tells which
// of them came up. No model is asked and nobody's session is touched.
import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { McpServerStatus } from '@anthropic-ai/claude-agent-sdk';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { newSessionId, sessionKeyOf, turnIdOf } from '../core/ids.ts';
import type { Vault } from '../core/ports/vault.ts';
import { person } from '../core/vault.ts';
import { createModelGateway } from '../gateway/model-gateway.ts';
import { createMemoryVault } from '../stores/memory/vault.ts';
import { credentialsOf } from '../tool-servers/credentials.ts';
import { createToolServers } from '../tool-servers/tool-servers.ts';
import { type AgentFolder, remoteServersOf } from './agent-folder.ts';
import { NOTHING_ASKED } from './asking-policy.ts';
import { createCliProcess } from './cli-process.ts';
import { agentEnvironment } from './environment.ts';
import { endProcesses } from './processes.ts';
import { queryOptions } from './query-options.ts';
import { removeTree } from './remove-tree.ts';
import type { SandboxChoice } from './sandbox.ts';
import { layConfiguration } from './static-config.ts';

export interface ToolServerState {
  readonly name: string;
  readonly started: boolean;
  /** What the CLI says of it, when it did not. */
  readonly reason: string;
  readonly tools: number;
}

const LOOK_EVERY_MS = 100;
/** For the CLI itself to start. */
const MARGIN_MS = 15_000;
/** It is never asked. */
const NO_MODEL = { baseUrl: 'http://127.0.0.1:9', apiKey: 'none', demo: true } as const;

export async function checkToolServers(options: {
  readonly folder: AgentFolder;
  readonly sandbox: SandboxChoice;
  readonly path?: string;
  /** Where credentials of servers at URLs are; none are stored when left out. */
  readonly vault?: Vault;
  /** Ends the check; it then rejects. */
  readonly signal?: AbortSignal;
}): Promise<readonly ToolServerState[]> {
  const { folder, sandbox } = options;
  if (Object.keys(folder.mcpServers).length === 0) return [];
  // Loaded where there is something to check: a worker's start does not wait for it.
  const { query } = await import('@anthropic-ai/claude-agent-sdk');
  const way = await openWay(folder, options.vault ?? createMemoryVault());
  const root = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-sessions-check-')));
  const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
  const cli = createCliProcess({ directory, sandbox, folder });
  // The CLI takes its input for open, and gets none.
  const waiting = Promise.withResolvers<IteratorReturnResult<undefined>>();
  try {
    for (const part of ['config', 'workspace', 'home', 'tmp']) await mkdir(join(root, part), { mode: 0o700 });
    const laid = await layConfiguration(folder, directory);
    const limits = folder.settings.timeLimits;
    const environment = agentEnvironment({
      directory,
      model: NO_MODEL,
      shellPrefix: laid.shellWrapper,
      ...(options.path === undefined ? {} : { path: options.path }),
      timezone: 'UTC',
      limits,
    });
    const run = { directory, sessionId: newSessionId() };
    const conversation = query({
      prompt: { [Symbol.asyncIterator]: () => ({ next: () => waiting.promise }) },
      options: await queryOptions({
        run,
        asking: NOTHING_ASKED,
        mark: null,
        relocation: null,
        folder,
        model: way.model,
        sandbox,
        environment,
        laid,
        spawn: cli.spawn,
      }),
    });
    const { signal } = options;
    const end = (): void => conversation.close();
    signal?.addEventListener('abort', end, { once: true });
    try {
      const deadline = Date.now() + limits.toolServerStartSec * 1_000 + MARGIN_MS;
      for (;;) {
        signal?.throwIfAborted();
        const found = await conversation.mcpServerStatus();
        const isOpen = Object.keys(folder.mcpServers).some(
          (name) => (found.find((server) => server.name === name)?.status ?? 'pending') === 'pending',
        );
        if (!isOpen || Date.now() > deadline)
          return Object.keys(folder.mcpServers).map((name) => stateOf(name, found, way.missing.get(name)));
        await sleep(LOOK_EVERY_MS);
      }
    } finally {
      signal?.removeEventListener('abort', end);
      waiting.resolve({ done: true, value: undefined });
      conversation.close();
    }
  } finally {
    await endProcesses(root, cli.pids());
    await cli.ended();
    await removeTree(root);
    await way.close();
  }
}

/** Servers at URLs are reached as in a turn: through a gateway, as somebody who has stored nothing of their own. */
async function openWay(folder: AgentFolder, vault: Vault) {
  const servers = remoteServersOf(folder);
  const tenant = DEFAULT_TENANT;
  const chat = { tenant, channel: 'check', bot: 'check', chat: 'check', thread: null };
  const sessionKey = sessionKeyOf(chat);
  const ids = { tenant, sessionId: newSessionId(), turnId: turnIdOf(sessionKey, 'check') };
  const { network } = folder.settings;
  const turn = {
    ...ids,
    speaker: person('check/nobody'),
    speakerName: 'nobody',
    servers,
    allow: typeof network === 'string' ? [] : network.allow,
  };
  const missing = new Map<string, string>();
  for (const server of servers) {
    const found = await credentialsOf(server, { turn, vault });
    if ('missing' in found) missing.set(server.name, found.missing);
  }
  const toolServers = createToolServers({ vault });
  const gateway = await createModelGateway({ upstream: { baseUrl: NO_MODEL.baseUrl, isDemo: true } });
  const opened = gateway.openTurn({ ...ids, sessionKey, models: [], tools: toolServers.openTurn(turn) });
  return {
    missing,
    model: { ...NO_MODEL, baseUrl: opened.url, apiKey: opened.token },
    async close() {
      await gateway.close();
      toolServers.close();
    },
  };
}

function stateOf(
  name: string,
  found: readonly McpServerStatus[],
  missing: string | undefined,
): ToolServerState {
  const server = found.find((one) => one.name === name);
  const started = server?.status === 'connected';
  const reason = started
    ? ''
    : missing !== undefined
      ? `its credential "${missing}" is not stored (\`hybrid-sessions vault set ${missing}\`)`
      : (server?.error ?? (server?.status === 'pending' ? 'it did not answer in time' : ''));
  return {
    name,
    started,
    reason: reason || (server?.status ?? 'unknown'),
    tools: server?.tools?.length ?? 0,
  };
}
