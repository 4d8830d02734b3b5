// What one tenant's record makes of the installation's agents: which folder, which model, fewer tools, less of the network, its
// own budgets. It narrows what the installation allows; what it names and the installation does not have is refused before
// anything runs.

import type { ToolNarrowing } from '../agent/narrowed-tools.ts';
import type { FolderModels } from '../agent/turn-models.ts';
import { Invalid } from '../core/errors.ts';
import type { Tenant } from '../core/ids.ts';
import type { TenantRecord, TenantSettings } from '../core/tenants.ts';
import type { Budgets } from '../gateway/budgets.ts';
import { modelPolicy } from '../gateway/model-policy.ts';
import type { NetworkSetting } from '../host/sandbox/network-setting.ts';

export interface TenantAgent<Folder extends FolderModels = FolderModels> {
  /** Of the folder; null: the installation's own. */
  readonly name: string | null;
  readonly folder: Folder;
  readonly model: string | null;
  readonly tools: ToolNarrowing;
  /** null: as the folder says. */
  readonly network: NetworkSetting | null;
  readonly budgets: Budgets;
  readonly maxWorkspaceBytes: number | null;
}

/** null: all as the installation says. Throws `AgentNotAvailable`. */
export type TenantAgentOf<Folder extends FolderModels = FolderModels> = (
  tenant: Tenant,
) => Promise<TenantAgent<Folder> | null>;

/** The tenant is set to something that is not here. `message` is for the person, `advice` for the operator. */
export class AgentNotAvailable extends Invalid {
  constructor(what: string, advice: string) {
    super(
      'agent-not-available',
      'This bot is set to something that its installation does not have, so I did not answer. Whoever runs it can mend that.',
      { advice, data: { what } },
    );
  }
}

/** What the installation lets tenants choose from. */
export interface AgentChoices<Folder extends FolderModels = FolderModels> {
  readonly own: Folder;
  readonly named: ReadonlyMap<string, Folder>;
  /** Besides those that the installation's folders and its own choice name. */
  readonly models: readonly string[];
  /** The server's own choice. */
  readonly served?: string | undefined;
  readonly budgets: Budgets;
  /** Whether less of the network can be had here for one tenant. */
  readonly narrowsNetwork: boolean;
}

export function createTenantAgents<Folder extends FolderModels>(
  choices: AgentChoices<Folder>,
  recordOf: (tenant: Tenant) => Promise<TenantRecord | null>,
): TenantAgentOf<Folder> {
  return async (tenant) => {
    const settings = (await recordOf(tenant))?.settings;
    if (!settings || !differs(settings)) return null;
    const name = settings.agentFolder;
    const folder = name === null ? choices.own : choices.named.get(name);
    if (!folder) throw notThere(`agent folder "${name}"`, 'Add a folder of that name, or change it');
    const { model, network } = settings;
    if (model !== null && !mayChoose(choices, folder, model)) {
      throw notThere(`model "${model}"`, 'Add it to the models that tenants may have, or change it');
    }
    if (network !== null && network !== 'open' && !choices.narrowsNetwork) {
      throw notThere('network', 'The network cannot be narrowed here for one tenant: leave it out');
    }
    return {
      name,
      folder,
      model,
      tools: settings.tools,
      network,
      budgets: budgetsWithin(settings.limits.budgetUsd, choices.budgets),
      maxWorkspaceBytes: settings.limits.workspaceBytes,
    };
  };
}

function notThere(what: string, advice: string): AgentNotAvailable {
  return new AgentNotAvailable(what, `${advice} (\`hybrid-sessions tenants set\`).`);
}

/** Whether anything that concerns the agent is set. */
function differs({ agentFolder, model, tools, network, limits }: TenantSettings): boolean {
  const { turn, chat, tenant } = limits.budgetUsd;
  const amounts = [turn, chat.day, chat.month, tenant.day, tenant.month, limits.workspaceBytes];
  return (
    [agentFolder, model, tools.allow, network, ...amounts].some((one) => one !== null) ||
    tools.deny.length > 0
  );
}

export function mayChoose(
  { own, models, served }: Pick<AgentChoices, 'own' | 'models' | 'served'>,
  folder: FolderModels,
  model: string,
): boolean {
  const ofFolders = [own, folder].flatMap(({ settings }) => [settings.model, settings.fallbackModel]);
  const names = [...models, served, ...ofFolders].filter((name) => name !== undefined);
  return names.includes(model) || modelPolicy(names)(model);
}

/** What the tenant says counts; for the rest, what the installation says. */
function budgetsWithin(usd: TenantSettings['limits']['budgetUsd'], installation: Budgets): Budgets {
  const own = (amount: number | null, other: Budgets['turn']) => (amount === null ? other : { usd: amount });
  const party = (name: 'chat' | 'tenant') => {
    const [day, month] = [
      own(usd[name].day, installation[name]?.day),
      own(usd[name].month, installation[name]?.month),
    ];
    return day || month ? { [name]: { ...(day && { day }), ...(month && { month }) } } : {};
  };
  const turn = own(usd.turn, installation.turn);
  return { ...installation, ...(turn && { turn }), ...party('chat'), ...party('tenant') };
}
