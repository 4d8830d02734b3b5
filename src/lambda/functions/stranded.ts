// The function that gives up turns which no worker could run, with this package's channels.
import { CHANNELS } from '../../channels/index.ts';
import { deployedChannels } from '../own-channels.ts';
import { createStranded } from '../stranded.ts';

export const handler = createStranded(await deployedChannels(CHANNELS, process.env));
