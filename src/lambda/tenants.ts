// The registry of tenants in a function: who is served, and the bots that it names beside the installation's own. Secrets of
// bots come from Parameter Store; a function's variables and files hold none.

import { withBots } from '../channels/bot-channels.ts';
import type { BotDeps } from '../channels/bot-settings.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { systemClock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Channel } from '../core/ports.ts';
import { createDynamoTenantRegistry } from '../stores/dynamodb/tenant-registry.ts';
import { createTenantDirectory, type TenantDirectory } from '../tenants/directory.ts';
import { createSecretReader } from '../tenants/secrets.ts';
import { type DeployedChannel, GATHER_MS, type SharedContext } from './channels.ts';
import { readParameters } from './parameters.ts';

export interface FunctionTenants {
  readonly directory: TenantDirectory;
  readonly bots: BotDeps;
}

/** null where the deployment has one tenant: then nothing is read. */
export function openTenants(
  { tenants, stateTable }: { readonly tenants: boolean; readonly stateTable: string },
  deployed: readonly DeployedChannel[],
  log: Log,
): FunctionTenants | null {
  if (!tenants) return null;
  const registry = createDynamoTenantRegistry({ stateTable, clock: systemClock });
  const configuration = new Map(deployed.map((one) => [one.channel.name, one.configuration]));
  return {
    directory: createTenantDirectory(registry, systemClock),
    bots: {
      secrets: createSecretReader({
        variable: () => undefined,
        parameters: readParameters,
        files: false,
        clock: systemClock,
      }),
      configurationOf: ({ name }) => configuration.get(name) ?? {},
      log,
    },
  };
}

/** The channels of a function that answers, those of the registry's bots among them. */
export function withTenantBots(
  tenants: FunctionTenants | null,
  channels: readonly ChannelDescriptor[],
  own: ReadonlyMap<string, Channel>,
  context: SharedContext,
): ReadonlyMap<string, Channel> {
  if (tenants === null) return own;
  const { directory, bots } = tenants;
  return withBots(channels, own, { ...bots, directory, context: { ...context, gatherMs: GATHER_MS } });
}
