// The function that runs turns whose agents are in a function of their own, with this package's channels.
import { CHANNELS } from '../../channels/index.ts';
import { isolatedHosts } from '../isolated-hosts.ts';
import { deployedChannels } from '../own-channels.ts';
import { createWorker } from '../worker.ts';

export const handler = createWorker(await deployedChannels(CHANNELS, process.env), isolatedHosts);
