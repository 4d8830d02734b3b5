// Starts the folder's tool servers as a turn would (the real CLI, in the sandbox, in a folder of its own) and tells which
// of them came up. No model is asked and nobody's session is touched.
import { mkdir, mkdtemp, realpath } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { McpServerStatus } from '@anthropic-ai/claude-agent-sdk';
import { newSessionId } from '../core/ids.ts';
import type { Sandbox } from '../host/sandbox/index.ts';
import type { AgentFolder } from './agent-folder.ts';
import { NOTHING_ASKED } from './asking-policy.ts';
import { createCliProcess } from './cli-process.ts';
import { agentEnvironment } from './environment.ts';
import { endProcesses } from './processes.ts';
import { queryOptions } from './query-options.ts';
import { removeTree } from './remove-tree.ts';
import { layConfiguration } from './static-config.ts';
import { createWalledCli } from './walled-cli.ts';

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
  readonly sandbox: Sandbox;
  readonly path?: string;
  /** Ends the check; it then rejects. */
  readonly signal?: AbortSignal;
}): Promise<readonly ToolServerState[]> {
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
