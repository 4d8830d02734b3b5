// Channels of one's own in a function: the file that the deployment put beside it (src/cdk/own-channels.ts), if there is one.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { channelsIn } from '../channels/channels-in.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import type { Environment } from './configuration.ts';
import { VARIABLES } from './variables.ts';

/** Those of this package, and those of the file. */
export async function deployedChannels(
  known: readonly ChannelDescriptor[],
  env: Environment,
): Promise<readonly ChannelDescriptor[]> {
  const file = env[VARIABLES.ownChannels];
  if (!file) return known;
  const { modules } = await import(pathToFileURL(join(env.LAMBDA_TASK_ROOT ?? '.', file)).href);
  return [...known, ...(modules as readonly object[]).flatMap(channelsIn)];
}
