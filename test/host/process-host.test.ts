// Turns in hosts on this machine: the real CLI in a process of its own, in the sandbox as a whole and without one, over the
// line; and in the worker's own process.
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { loadAgentFolder } from '../../src/agent/agent-folder.ts';
import { gatewayPerTurn } from '../../src/agent/gateway-per-turn.ts';
import { createModelAccess } from '../../src/agent/model-access.ts';
import { createAgentRunner } from '../../src/agent/runner.ts';
import { createWorkplace } from '../../src/agent/workplace.ts';
import { systemClock } from '../../src/core/clock.ts';
import { silentLog } from '../../src/core/log.ts';
import { createDirectHosts } from '../../src/host/direct-hosts.ts';
import { openLocalHosts } from '../../src/host/local-hosts.ts';
import { createProcessHosts } from '../../src/host/process-hosts.ts';
import { detectSandbox, type Sandbox } from '../../src/host/sandbox/index.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/index.ts';
import type { ScriptedModel } from '../../testing/model/scripted-model.ts';
import { EXAMPLE, NO_SANDBOX } from '../agent/turn-fixture.ts';
import { type AgentHostsFixture, agentHostsContract } from './agent-hosts-contract.ts';

const limits = { maxWorkspaceBytes: 50_000_000, maxWorkspaceFiles: 10_000 };
const detected = await detectSandbox();

async function start() {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'hosts-')));
  const root = join(base, 'turns');
  const objects = createMemoryObjectStore();
  const state = createSessionState({ objects, limits });
  const folder = await loadAgentFolder(EXAMPLE);
  return {
    root,
    objects,
    state,
    folder,
    async end() {
      expect(existsSync(root) ? readdirSync(root) : []).toEqual([]);
      await rm(base, { recursive: true });
    },
  };
}

const endpointOf = (model: ScriptedModel) => ({ baseUrl: model.url, apiKey: 'sk-real-key', demo: false });

const inProcesses =
  (sandbox: Sandbox) =>
  async (model: ScriptedModel): Promise<AgentHostsFixture> => {
    const { root, objects, state, folder, end } = await start();
    const startHost = openLocalHosts({
      sandbox,
      root,
      workplace: createWorkplace({ root }),
      objects,
      agentDir: EXAMPLE,
      limits,
      network: 'open',
      log: silentLog,
    });
    const hosts = createProcessHosts({
      start: () => startHost(),
      objects,
      state,
      limits,
      access: createModelAccess({
        folder,
        model: endpointOf(model),
        gateway: gatewayPerTurn({ model: endpointOf(model) }),
      }),
      spares: 1,
      log: silentLog,
    });
    return {
      hosts,
      objects,
      maxBytes: limits.maxWorkspaceBytes,
      fatal: sandbox.kind === 'none' ? 'kill -9 $PPID' : 'kill -9 -1',
      left: async () => {},
      async close() {
        await hosts.close();
        await end();
      },
    };
  };

async function inThisProcess(model: ScriptedModel): Promise<AgentHostsFixture> {
  const { root, objects, state, folder, end } = await start();
  return {
    hosts: createDirectHosts({
      state,
      workplace: createWorkplace({ root }),
      runner: createAgentRunner({ folder, model: endpointOf(model), sandbox: NO_SANDBOX }),
      objects,
      clock: systemClock,
      log: silentLog,
    }),
    objects,
    maxBytes: limits.maxWorkspaceBytes,
    fatal: 'kill -9 $PPID',
    left: async () => {},
    close: end,
  };
}

const NO_WALL = [
  {
    reason: 'without a wall other processes can be seen, and one without the mark is not found',
    tests: [
      'no environment or command line of this machine says anything of another session',
      "what hides from the turn's mark is gone when the turn ends, before it is saved",
    ],
  },
];

if (detected.kind === 'bubblewrap') {
  agentHostsContract({ name: 'processes in the sandbox', open: inProcesses(detected) });
}
agentHostsContract({
  name: 'processes without a sandbox',
  open: inProcesses({ kind: 'none', reason: 'left out by the test', accepted: true }),
  skip: NO_WALL,
});
agentHostsContract({ name: "the worker's own process", open: inThisProcess, skip: NO_WALL });
