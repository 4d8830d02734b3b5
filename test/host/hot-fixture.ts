// Sessions on hosts whose CLI may stay between two turns: real host processes, the real CLI, a scripted model, and what the
// hosts told their counters.
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { gatewayPerTurn } from '../../src/agent/gateway-per-turn.ts';
import { createModelAccess } from '../../src/agent/model-access.ts';
import { createWorkplace } from '../../src/agent/workplace.ts';
import type { Log, LogFields } from '../../src/core/log.ts';
import type { AgentOutcome, SessionState } from '../../src/core/ports/execution.ts';
import type { AgentHost } from '../../src/core/ports/hosts.ts';
import type { Lease, SessionHead } from '../../src/core/records.ts';
import type { HotLimits } from '../../src/host/hot-hosts.ts';
import { openLocalHosts } from '../../src/host/local-hosts.ts';
import { createProcessHosts, type ProcessHosts } from '../../src/host/process-hosts.ts';
import type { Sandbox } from '../../src/host/sandbox/index.ts';
import type { SpareHost } from '../../src/host/spare-host.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { EXAMPLE, leaseOf, obey, requestOf } from '../agent/turn-fixture.ts';

const limits = { maxWorkspaceBytes: 500_000_000, maxWorkspaceFiles: 10_000 };
export const HOT: HotLimits = { sessions: 2, memoryBytes: 2e9, idleMs: 600_000 };

export interface HotFixture {
  readonly base: string;
  readonly model: ScriptedModel;
  readonly hosts: ProcessHosts;
  /** Another worker's hosts over the same store. */
  readonly others: ProcessHosts;
  /** How turns began and why hosts ended, in order: `hot`, `cold first`, `ended idle`. */
  readonly told: string[];
  /** Of the hosts that were started, in order. */
  readonly started: SpareHost[];
  /** Time passes that no timer notices. */
  sleep(ms: number): void;
  readonly state: Pick<SessionState, 'restore'>;
  /** `name`: another run gives messages of the same name the same ids. */
  session(name?: string): HotSession;
  close(): Promise<void>;
}

export interface HotSession {
  readonly id: () => string;
  /** The conversation begins a new session. */
  renew(): void;
  head(): SessionHead;
  moveHead(head: SessionHead): void;
  turn(text: string, on?: ProcessHosts): Promise<AgentOutcome>;
}

export async function createHotFixture(options: {
  readonly sandbox: Sandbox;
  /** null: none stays. */
  readonly hot?: Partial<HotLimits> | null;
  readonly agentDir?: string;
}): Promise<HotFixture> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'hot-')));
  const model = await createScriptedModel(obey);
  const root = join(base, 'turns');
  const objects = createMemoryObjectStore();
  const state = createSessionState({ objects, limits });
  const agentDir = options.agentDir ?? EXAMPLE;
  const told: string[] = [];
  const started: SpareHost[] = [];
  let sleptMs = 0;
  const log: Log = (level, event, fields: LogFields = {}) => {
    if (event === 'agent-started') told.push([fields.start, fields.why].filter(Boolean).join(' '));
    if (event === 'hot-ended') told.push(`ended ${fields.why}`);
    if (level === 'error' || fields.told === 'surroundings-changed') console.error(event, fields);
  };
  async function open(): Promise<ProcessHosts> {
    const start = await openLocalHosts({
      sandbox: options.sandbox,
      root,
      workplace: createWorkplace({ root }),
      objects,
      agentDir,
      limits,
      network: 'open',
      log,
    });
    const endpoint = { baseUrl: model.url, apiKey: 'sk-real-key', demo: false };
    return createProcessHosts({
      start: async () => {
        const host = await start();
        started.push(host);
        return host;
      },
      objects,
      state,
      limits,
      access: createModelAccess({
        folder: await loadAgentFolder(agentDir),
        model: endpoint,
        gateway: gatewayPerTurn({ model: endpoint }),
      }),
      spares: 1,
      ...(options.hot === null ? {} : { hot: { ...HOT, ...options.hot } }),
      clock: { now: () => Date.now() + sleptMs },
      log,
    });
  }
  const hosts = await open();
  const others = await open();

  return {
    base,
    model,
    hosts,
    others,
    told,
    started,
    sleep(ms) {
      sleptMs += ms;
    },
    state,
    session: (name) => createHotSession(hosts, name),
    async close() {
      await hosts.close();
      await others.close();
      await model.close();
      expect(existsSync(root) ? readdirSync(root) : []).toEqual([]);
      await rm(base, { recursive: true });
    },
  };
}

/** A session whose turns are run and saved on `hosts`. */
export function createHotSession(hosts: ProcessHosts, name?: string): HotSession {
  const sessionKey = `${leaseOf('any').sessionKey}-${randomUUID()}` as Lease['sessionKey'];
  let fence = 0;
  let turns = 0;
  let head = newHead();
  function newHead(): SessionHead {
    const times = { createdAtMs: 0, updatedAtMs: 0, expiresAtSec: 2 ** 31 };
    return { ...leaseOf(randomUUID()), generation: 0, state: null, ...times };
  }
  async function run(host: AgentHost, text: string): Promise<AgentOutcome> {
    return await host.run({
      sessionId: head.sessionId,
      resume: head.generation > 0,
      continuing: false,
      request: requestOf(text, `${name ?? head.sessionId}-${++turns}`),
      tries: 1,
      progress: () => {},
      signal: new AbortController().signal,
    });
  }
  return {
    id: () => head.sessionId,
    renew() {
      head = newHead();
    },
    head: () => head,
    moveHead(to) {
      head = to;
    },
    async turn(text, on = hosts) {
      const host = await on.open({ ...leaseOf(head.sessionId, ++fence), sessionKey }, head);
      let keep = false;
      try {
        const outcome = await run(host, text);
        const generation = head.generation + 1;
        const saved = await host.save({ head, generation, running: false });
        expect(saved.refused).toEqual([]);
        head = { ...head, generation, state: saved.state };
        keep = outcome.status === 'ok';
        return outcome;
      } finally {
        await host.close({ keep });
      }
    },
  };
}
