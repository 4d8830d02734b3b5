// The agent hosts of one worker process on this machine, and the model gateway that they reach: on a socket of the worker's
// own where hosts have a network of their own, on loopback elsewhere.
import { cp } from 'node:fs/promises';
import { getCompileCacheDir } from 'node:module';
import { join } from 'node:path';
import type { AgentFolder } from '../agent/agent-folder.ts';
import type { ModelEndpoint } from '../agent/environment.ts';
import { sandboxOf } from '../agent/findings.ts';
import { createModelAccess, upstreamOf } from '../agent/model-access.ts';
import { loadNamedFolders } from '../agent/named-folders.ts';

import { createTurnTools } from '../agent/turn-tools.ts';
import { createWorkplace } from '../agent/workplace.ts';
import type { Log } from '../core/log.ts';
import type { AgentHosts } from '../core/ports/hosts.ts';
import { createUpstreamConnections } from '../gateway/connections.ts';
import { createModelGateway } from '../gateway/model-gateway.ts';
import { openLocalHosts, openWorkerFolder } from '../host/local-hosts.ts';
import { createProcessHosts } from '../host/process-hosts.ts';
import type { Sandbox } from '../host/sandbox/index.ts';
import { narrowedNetwork } from '../host/sandbox/network-setting.ts';
import type { HostNeeds } from '../host/spare-host.ts';
import type { TenantDirectory } from '../tenants/directory.ts';
import { createTenantAgents } from '../tenants/tenant-agent.ts';
import { createToolServers } from '../tool-servers/tool-servers.ts';
import type { Configuration } from './configuration.ts';
import { executionRoot } from './execution-root.ts';
import type { LocalStores } from './stores.ts';

/** Agent hosts that wait for a session, in each worker process. */
const SPARE_HOSTS = 1;

export interface WorkerHosts {
  readonly hosts: AgentHosts;
  close(): Promise<void>;
}

/** `found`: which wall this machine has, as the server told. */
export async function openWorkerHosts(
  configuration: Pick<Configuration, 'dataDir' | 'limits' | 'proxy' | 'prices' | 'budgets' | 'publicUrl'> &
    Partial<Pick<Configuration, 'hot' | 'workers' | 'tenants'>>,
  stores: LocalStores,
  folder: AgentFolder,
  model: ModelEndpoint,
  log: Log,
  found?: Sandbox,
  recordOf: TenantDirectory['of'] = async () => null,
): Promise<WorkerHosts> {
  const { dataDir, limits, proxy, prices, budgets, hot, workers = 1 } = configuration;
  const { objects, state, usage } = stores;
  const { limits: hostLimits } = folder.settings;
  const sandbox = await sandboxOf(folder, found);
  const root = await executionRoot(dataDir);
  const own = await openWorkerFolder(root);
  // Started by root, a host is another user, who may not read what is private to root.
  const agentCopy = process.getuid?.() === 0 ? join(own.path, 'agent') : undefined;
  if (agentCopy) await cp(folder.path, agentCopy, { recursive: true, dereference: true });
  const named = await loadNamedFolders(configuration.tenants?.agentFolders ?? null);
  const copies = new Map<string, string>();
  if (agentCopy) {
    for (const [name, { path }] of named) {
      const copy = join(own.path, 'agents', name);
      await cp(path, copy, { recursive: true, dereference: true });
      copies.set(name, copy);
    }
  }
  const socket = join(own.path, 'model.sock');
  const toolServers = createToolServers({ vault: stores.vault, publicUrl: configuration.publicUrl, log });
  const hasOwnNetwork = sandbox.kind === 'bubblewrap' && sandbox.ownNetwork;
  const gateway = await createModelGateway({
    upstream: upstreamOf(model),
    connections: createUpstreamConnections(Object.keys(proxy).length > 0 ? proxy : undefined),
    usage,
    prices,
    log,
    ...(hasOwnNetwork ? { listen: { unixSocket: socket } } : {}),
  });
  const startHost = openLocalHosts({
    sandbox,
    root,
    workplace: createWorkplace({ root }),
    objects,
    agentDir: folder.path,
    ...(agentCopy === undefined ? {} : { agentCopy }),
    compiled: getCompileCacheDir(),
    limits,
    network: folder.settings.network,
    hostLimits,
    ...(hasOwnNetwork ? { sockets: { model: socket } } : {}),
    log,
  });
  const agentOf = createTenantAgents(
    {
      own: folder,
      named,
      models: configuration.tenants?.models ?? [],
      served: model.model,
      budgets,
      narrowsNetwork: hasOwnNetwork,
    },
    recordOf,
  );

  /** For one tenant: its folder, and what is left of that folder's network. */
  function startFor({ agent, network, limits: ownLimits }: HostNeeds) {
    const using = (agent === null ? undefined : named.get(agent)) ?? folder;
    const copy = agent === null ? agentCopy : copies.get(agent);
    return startHost({
      agentDir: using.path,
      ...(copy === undefined ? {} : { agentCopy: copy }),
      hostLimits: using.settings.limits,
      network: narrowedNetwork(using.settings.network, network),
      limits: ownLimits,
    });
  }

  const hosts = createProcessHosts({
    start: (needs) => (needs ? startFor(needs) : startHost()),
    agentOf,
    objects,
    state,
    limits,
    access: createModelAccess({
      folder,
      model,
      gateway,
      budgets,
      agentOf,
      turnTools: createTurnTools({ toolServers, own: folder, named }),
    }),
    spares: SPARE_HOSTS,
    // A stopped process costs nothing but memory; elsewhere than on Linux it cannot be told that one stands still.
    ...(hot && hot.sessions > 0 && process.platform === 'linux'
      ? { hot: { ...hot, sessions: Math.ceil(hot.sessions / workers) } }
      : {}),
    log,
  });
  return {
    hosts,
    async close() {
      await hosts.close();
      await gateway.close();
      toolServers.close();
      await own.remove();
    },
  };
}
