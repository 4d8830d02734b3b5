// What an administrator should know at once of the agent that a tenant was set to: it would not be answered. Only a note, for
// the server may be started with other settings than this command, or after it.
import { loadAgentFolder } from '../agent/agent-folder.ts';
import { loadNamedFolders } from '../agent/named-folders.ts';
import type { TenantRecord } from '../core/tenants.ts';
import { readConfiguration } from '../local/configuration.ts';
import { AgentNotAvailable, createTenantAgents } from '../tenants/tenant-agent.ts';
import type { CliContext, DataOptions } from './context.ts';

export async function agentNotes(
  { env, cwd }: CliContext,
  { aws, data }: DataOptions,
  record: TenantRecord,
): Promise<readonly string[]> {
  const { network, kmsKey } = record.settings;
  const isOnAws = (aws ?? (data === undefined ? env.HYBRID_SESSIONS_AWS : undefined)) !== undefined;
  if (isOnAws) {
    const narrows = network !== null && network !== 'open';
    return narrows ? [notServed('a network that cannot be narrowed on AWS')] : [];
  }
  const notes =
    kmsKey === null ? [] : ['kmsKey holds on AWS only: here its objects are files of this machine.'];
  const missing = await missingHere({ env, cwd }, record);
  return missing === null ? notes : [...notes, notServed(missing)];
}

async function missingHere(
  sources: Pick<CliContext, 'env' | 'cwd'>,
  record: TenantRecord,
): Promise<string | null> {
  const { agentDir, tenants, model, budgets } = readConfiguration(sources);
  const agentOf = createTenantAgents(
    {
      own: await loadAgentFolder(agentDir),
      named: await loadNamedFolders(tenants.agentFolders),
      models: tenants.models,
      served: model.name ?? undefined,
      budgets,
      narrowsNetwork: true,
    },
    async () => record,
  );
  try {
    await agentOf(record.tenant);
    return null;
  } catch (error) {
    if (error instanceof AgentNotAvailable) return `${error.data.what}, which is not there`;
    throw error;
  }
}

function notServed(what: string): string {
  return `It is not answered as long as it is set to this: ${what}.`;
}
