// Starts the folder's tool servers as a turn would (the real CLI, in the sandbox, in a folder of its own) and tells which
// of them came up. No model is asked and nobody's session is touched.
import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { McpServerStatus } from '@anthropic-ai/claude-agent-sdk';
import { newSessionId } from '../core/ids.ts';
import type { Vault } from '../core/ports/vault.ts';
import type { Sandbox } from '../host/sandbox/index.ts';
import { createMemoryVault } from '../stores/memory/vault.ts';
import { type AgentFolder, remoteServersOf } from './agent-folder.ts';
import { NOTHING_ASKED } from './asking-policy.ts';
import { checkRemoteServers } from './check-remote-servers.ts';
import { createCliProcess } from './cli-process.ts';
import { agentEnvironment } from './environment.ts';
import { endProcesses } from './processes.ts';
import { queryOptions } from './query-options.ts';
import { removeTree } from './remove-tree.ts';
import { layConfiguration } from './static-config.ts';
import type { ToolServerState } from './tool-server-state.ts';
import { createWalledCli } from './walled-cli.ts';

const LOOK_EVERY_MS = 100;
/** For the CLI itself to start. */
const MARGIN_MS = 15_000;
/** It is never asked. */
const NO_MODEL = { baseUrl: 'http://127.0.0.1:9', apiKey: 'none', demo: true } as const;

/** Servers of this machine by the CLI, those at URLs as turns reach them. */
export async function checkToolServers(options: CheckOptions): Promise<readonly ToolServerState[]> {
  const { folder, vault = createMemoryVault(), signal } = options;
  const local = Object.entries(folder.mcpServers).filter(([, server]) => 'command' in server);
  const [started, reached] = await Promise.all([
    checkLocalServers({ ...options, folder: { ...folder, mcpServers: Object.fromEntries(local) } }),
    remoteServersOf(folder).length === 0 ? [] : checkRemoteServers(folder, vault, signal),
  ]);
  const found = [...started, ...reached];
  return Object.keys(folder.mcpServers).flatMap((name) => found.filter((state) => state.name === name));
}

interface CheckOptions {
  readonly folder: AgentFolder;
  readonly sandbox: Sandbox;
  readonly path?: string;
  /** Where credentials of servers at URLs are; none are stored when left out. */
  readonly vault?: Vault;
  /** Ends the check; it then rejects. */
  readonly signal?: AbortSignal;
}

async function checkLocalServers(options: CheckOptions): Promise<readonly ToolServerState[]> {
  const { folder, sandbox } = options;
  if (Object.keys(folder.mcpServers).length === 0) return [];
  // Loaded where there is something to check: a worker's start does not wait for it.
  const { query } = await import('@anthropic-ai/claude-agent-sdk');
  const root = await realpath(await mkdtemp(join(tmpdir(), 'hybrid-sessions-check-')));
  const directory = { root, config: join(root, 'config'), workspace: join(root, 'workspace') };
  const isWalled = sandbox.kind === 'bubblewrap';
  const cli = isWalled ? createWalledCli({ sandbox, directory, folder }) : createCliProcess();
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
        model: NO_MODEL,
        sandbox: isWalled ? { kind: 'host' } : sandbox,
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
          return Object.keys(folder.mcpServers).map((name) => stateOf(name, found));
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
  }
}

function stateOf(name: string, found: readonly McpServerStatus[]): ToolServerState {
  const server = found.find((one) => one.name === name);
  const started = server?.status === 'connected';
  const reason = started
    ? ''
    : (server?.error ?? (server?.status === 'pending' ? 'it did not answer in time' : ''));
  return {
    name,
    started,
    reason: reason || (server?.status ?? 'unknown'),
    tools: server?.tools?.length ?? 0,
  };
}
