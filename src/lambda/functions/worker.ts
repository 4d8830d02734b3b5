// The function that runs turns, agents included, with this package's channels.
import { CHANNELS } from '../../channels/index.ts';
import { deployedChannels } from '../own-channels.ts';
import { sharedHosts } from '../shared-hosts.ts';
import { createWorker } from '../worker.ts';

export const handler = createWorker(await deployedChannels(CHANNELS, process.env), sharedHosts);
