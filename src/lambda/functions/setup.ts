// The function that a deployment runs once, with this package's channels.
import { CHANNELS } from '../../channels/index.ts';
import { deployedChannels } from '../own-channels.ts';
import { createSetup } from '../setup.ts';

export const handler = createSetup(await deployedChannels(CHANNELS, process.env));
