// The function that a deployment runs once, for the channels there are.
import { CHANNELS } from '../../channels/index.ts';
import { createSetup } from '../setup.ts';

export const handler = createSetup(CHANNELS);
