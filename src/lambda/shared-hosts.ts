// Agents in the worker's own function (`shared`): for an owner who trusts everyone who may write. The agent folder is in the
// image. The session is restored into the temporary folder, and its files stay there only for the next turn of the same
// session. The agent has the worker's user: see other-processes.ts for what holds nevertheless.
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { loadAgentFolder } from '../agent/agent-folder.ts';
import { SAFE_PATH } from '../agent/environment.ts';
import { upstreamOf } from '../agent/model-access.ts';
import { loadNamedFolders } from '../agent/named-folders.ts';
import { createAgentRunner } from '../agent/runner.ts';

import { createTurnTools } from '../agent/turn-tools.ts';
import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import { createModelGateway } from '../gateway/model-gateway.ts';
import { createDirectHosts } from '../host/direct-hosts.ts';

import { createSsmVault } from '../stores/ssm/vault.ts';
import { createTenantAgents } from '../tenants/tenant-agent.ts';
import { createToolServers } from '../tool-servers/tool-servers.ts';
import { readConfiguration, sharedHostsSchema } from './configuration.ts';
import { readModelChoice } from './model.ts';
import { createTemporaryWorkplace } from './temporary-workplace.ts';
import { watchUser } from './watch-user.ts';
import type { WorkerHosts } from './worker.ts';

export function sharedHosts({ log, flush }: { readonly log: Log; readonly flush: () => void }): WorkerHosts {
  const configuration = readConfiguration(sharedHostsSchema, process.env);
  const { temporary, keepSession, modelKeyParameter } = configuration;
  const endOthers = watchUser(log, flush);
  const taskRoot = process.env.LAMBDA_TASK_ROOT ?? import.meta.dirname;
  const memoryMb = Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE);
  return {
    built: memoryMb > 0 ? { agents: 'shared', memoryMb } : null,
    parameters: modelKeyParameter === undefined ? [] : [modelKeyParameter],
    async open({ objects, state, secrets, usage, recordOf }) {
      const folder = await loadAgentFolder(join(taskRoot, 'agent'));
      const named = await loadNamedFolders(
        existsSync(join(taskRoot, 'agents')) ? join(taskRoot, 'agents') : null,
      );
      const key = secrets.get(modelKeyParameter ?? '');
      const model = await readModelChoice(configuration, key, process.env.AWS_REGION);
      return createDirectHosts({
        state,
        objects,
        workplace: createTemporaryWorkplace(temporary, { keepSession, ...(endOthers ? { endOthers } : {}) }),
        runner: createAgentRunner({
          folder,
          model,
          gateway: await createModelGateway({ upstream: upstreamOf(model), usage, log }),
          budgets: configuration.budgets,
          ...(recordOf && {
            agentOf: createTenantAgents(
              {
                own: folder,
                named,
                models: configuration.tenantModels,
                served: model.model,
                budgets: configuration.budgets,
                narrowsNetwork: false,
              },
              recordOf,
            ),
          }),
          turnTools: createTurnTools({
            toolServers: createToolServers({
              vault: createSsmVault({ prefix: configuration.vault }),
              remember: true,
              log,
            }),
            own: folder,
            named,
          }),
          sandbox: { kind: 'none', reason: 'Lambda allows no user namespaces', accepted: true },
          path: pathOfAgent(taskRoot),
          log,
        }),
        clock: systemClock,
        log,
      });
    },
    settle: async () => endOthers?.(),
  };
}

/** The agent's Node is the copy in the task folder: programs may want to read their own. */
export function pathOfAgent(taskRoot: string): string {
  return [join(taskRoot, 'bin'), dirname(process.execPath), SAFE_PATH].join(delimiter);
}
