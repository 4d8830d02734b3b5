// A whole local system for tests: server, worker processes, real Agent SDK, an own data folder, a model that the
// test scripts, any free port. Everything is gone after `close`.
import '../src/node-version.ts';

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChannelDescriptor } from '../src/channels/descriptor.ts';
import { silentLog } from '../src/core/log.ts';
import { type ConfigurationSources, readConfiguration } from '../src/local/configuration.ts';
import { type StartedSystem, startSystem } from '../src/local/system.ts';
import { createScriptedModel, type Responder, type ScriptedModel } from './model/scripted-model.ts';

export interface LocalSystemOptions {
  /** What the model answers; without it the demo model does. */
  readonly respond?: Responder;
  readonly agentDir?: string;
  readonly workers?: number;
  /** A data folder that outlives this system, for restarts; by default a new one that is removed. */
  readonly dataDir?: string;
  /** More environment, e.g. `TELEGRAM_BOT_TOKEN`. */
  readonly env?: ConfigurationSources['env'];
  /** Where `hybrid-sessions.config.json` is looked for. */
  readonly cwd?: string;
  /** Other channels than those of this package, and the worker's program that knows them. */
  readonly channels?: readonly ChannelDescriptor[];
  readonly workerProgram?: URL;
}

export interface TestSystem extends StartedSystem {
  /** null where the demo model answers. */
  readonly model: ScriptedModel | null;
  readonly dataDir: string;
  /** Calls the HTTP API with the system's key. */
  call(path: string, init?: RequestInit): Promise<Response>;
  /** Sends a message and waits for the answer. */
  say(chat: string, text: string, headers?: Record<string, string>): Promise<Answer>;
  close(graceMs?: number): Promise<void>;
}

export interface Answer {
  readonly turn_id: string;
  readonly session_id: string;
  readonly generation: number;
  readonly reply: {
    readonly text: string;
    readonly outcome: string;
    readonly demo?: boolean;
    readonly code?: string;
  };
}

export async function startLocalSystem(options: LocalSystemOptions = {}): Promise<TestSystem> {
  const own = options.dataDir === undefined ? await mkdtemp(join(tmpdir(), 'hybrid-sessions-test-')) : null;
  const dataDir = options.dataDir ?? own ?? '';
  const model = options.respond ? await createScriptedModel(options.respond) : null;
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    TMPDIR: process.env.TMPDIR,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
    HYBRID_SESSIONS_LOG: 'error',
    ...(model && { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'test-key' }),
    ...options.env,
  };
  const { agentDir, workers = 1 } = options;
  const overrides = { port: 0, dataDir, workers, ...(agentDir !== undefined && { agentDir }) };
  const { channels, workerProgram } = options;
  const known = channels === undefined ? {} : { channels };
  const configuration = readConfiguration({ env, cwd: options.cwd ?? dataDir, overrides, ...known });
  const clean = async () => {
    await model?.close();
    if (own) await rm(own, { recursive: true, force: true });
  };
  let system: StartedSystem;
  try {
    system = await startSystem(configuration, {
      env,
      log: silentLog,
      ...known,
      ...(workerProgram === undefined ? {} : { workerProgram }),
    });
  } catch (error) {
    await clean();
    throw error;
  }
  const call = (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set('authorization', `Bearer ${system.key}`);
    return fetch(`${system.url}${path}`, { ...init, headers });
  };
  return {
    ...system,
    model,
    dataDir,
    call,
    async say(chat, text, headers = {}) {
      const response = await call(`/v1/chats/${chat}/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ text }),
      });
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
      return (await response.json()) as Answer;
    },
    async close(graceMs = 0) {
      await system.close(graceMs);
      await clean();
    },
  };
}
