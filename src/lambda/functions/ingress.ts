// The function that takes webhooks, with this package's channels.
import { CHANNELS } from '../../channels/index.ts';
import { createIngress } from '../ingress.ts';
import { deployedChannels } from '../own-channels.ts';

export const handler = createIngress(await deployedChannels(CHANNELS, process.env));
