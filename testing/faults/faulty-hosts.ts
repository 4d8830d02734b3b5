// The hosts of a fault run's worker: the product's hosts as processes of their own, without a wall, each behind the faults of
// the plan. With the real agent they run the product's own program, and only the worker's side meets faults.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createWorkplace } from '../../src/agent/workplace.ts';
import type { Log } from '../../src/core/log.ts';
import type { ObjectStore } from '../../src/core/ports.ts';
import type { HotLimits } from '../../src/host/hot-hosts.ts';
import { type LocalHostsOptions, openLocalHosts } from '../../src/host/local-hosts.ts';
import type { HostPatience } from '../../src/host/patience.ts';
import { createProcessHosts, type ProcessHosts } from '../../src/host/process-hosts.ts';
import type { SpareHost } from '../../src/host/spare-host.ts';
import type { StoredState } from '../../src/state/session-state.ts';
import type { Current } from './faulty.ts';
import { type HostEnvironment, MARK, messageFile } from './host-environment.ts';
import { withHotFaults } from './hot-faults.ts';
import type { InjectedFaults, Note } from './injected-faults.ts';
import type { Mutation } from './mutations.ts';
import { STATE_LIMITS } from './ports.ts';
import type { Settings } from './settings.ts';
import { takingStaleOnes } from './stale-hot.ts';

export interface FaultyHostsOptions {
  readonly settings: Settings;
  readonly name: string;
  readonly objects: ObjectStore;
  readonly state: StoredState;
  readonly faults: InjectedFaults;
  readonly current: Current;
  readonly note: Note;
  readonly log: Log;
  /** Hosts that wait for a session. */
  readonly spares: number;
  readonly modelUrl: (turnId: string) => string;
  /** The folder of the session that is being run. */
  readonly onRoot: (root: string) => void;
}

/** Short, so that a host that hangs costs little; long enough for a machine with twenty others at work. */
const PATIENCE: HostPatience = {
  bootMs: 15_000,
  openMs: 12_000,
  saveMs: 12_000,
  stopMs: 8_000,
  silentMs: 2_500,
  beatEveryMs: 300,
};
const ENDLESS = 3_600_000;
/** Some go for want of room, in every run. */
const HOT: HotLimits = { sessions: 3, memoryBytes: 2e9, idleMs: 30_000 };

export async function openFaultyHosts(options: FaultyHostsOptions): Promise<ProcessHosts> {
  const { settings, objects, state, faults, current, note, log, modelUrl } = options;
  const { folder, mutation } = settings;
  const patience = patienceOf(mutation);
  mkdirSync(join(folder, 'leases'), { recursive: true });

  let hello = '';
  const startHost = openLocalHosts({
    ...localOptions(options, patience),
    environment() {
      const how = hello;
      hello = '';
      return environmentOf(options, how);
    },
  });
  async function start(): Promise<SpareHost> {
    const fault = settings.agent === 'light' ? faults.take('host:hello', current.message) : null;
    if (fault) hello = fault.how;
    const host = await startHost();
    return {
      ...host,
      async claim(lease, stored) {
        writeFileSync(join(folder, messageFile(lease.sessionId, lease.fence)), String(current.message ?? ''));
        const place = await host.claim(lease, stored);
        byRoot.set(place.directory.root, host);
        roots.set(lease.sessionId, place.directory.root);
        options.onRoot(place.directory.root);
        return place;
      },
    };
  }

  const byRoot = new Map<string, SpareHost>();
  /** By session. */
  const roots = new Map<string, string>();
  let root = '';
  const hosts = createProcessHosts({
    start,
    objects,
    state,
    limits: STATE_LIMITS,
    patience,
    spares: options.spares,
    log,
    ...(mutation === 'trust-hosts'
      ? { savedCheck: () => ({ expect() {}, check: () => Promise.resolve() }) }
      : {}),
    access: {
      during(run, work) {
        // A host that woke was claimed for an earlier turn.
        root = roots.get(run.sessionId) ?? '';
        options.onRoot(root);
        note('agent-run', {
          message: current.message,
          turn: run.request.turnId,
          fence: current.fence,
          continuing: run.continuing,
        });
        const model = { baseUrl: modelUrl(run.request.turnId), apiKey: 'none', demo: false };
        return work({ folder: { settings: {} }, model, away: () => null });
      },
      answersAgain: async () => false,
    },
    ...(settings.agent === 'real' ? { hot: HOT } : {}),
  });
  const killHost = (place: string) => byRoot.get(place)?.link.kill();
  const told = mutation === 'stale-hot' ? takingStaleOnes(hosts) : hosts;
  return withHotFaults(told, { faults, current, rootOf: () => root, killHost });
}

function localOptions(
  { settings, name, objects, log }: FaultyHostsOptions,
  patience: HostPatience,
): LocalHostsOptions {
  const { folder, mutation } = settings;
  // As the workers of one installation do, all use one folder. Where hosts may stay behind, no later worker must find them,
  // and where stale ones are to be taken, none must end them.
  const isApart = mutation === 'outlive-worker' || mutation === 'stale-hot';
  const root = join(folder, isApart ? `exec-${name}` : 'exec');
  const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return {
    sandbox: { kind: 'none', reason: 'left out by the fault kit', accepted: true },
    root,
    workplace: createWorkplace({ root }),
    objects,
    limits: STATE_LIMITS,
    network: 'open',
    patience,
    log,
    ...(settings.agent === 'light'
      ? {
          agentDir: folder,
          program: fileURLToPath(new URL(`./light-host-program.${ending}`, import.meta.url)),
        }
      : { agentDir: fileURLToPath(new URL('../../examples/agent', import.meta.url)) }),
  };
}

function environmentOf({ settings, name }: FaultyHostsOptions, hello: string) {
  const environment: HostEnvironment = {
    [MARK]: settings.folder,
    NODE_COMPILE_CACHE: settings.codeFolder,
    FAULTS_WORKER: name,
    FAULTS_HELLO: hello,
    FAULTS_STAYS: settings.mutation === 'outlive-worker' ? 'yes' : '',
  };
  return { ...environment };
}

function patienceOf(mutation: Mutation | null): HostPatience {
  if (mutation !== 'wait-for-hung') return PATIENCE;
  return { ...PATIENCE, silentMs: ENDLESS, openMs: ENDLESS, saveMs: ENDLESS };
}
