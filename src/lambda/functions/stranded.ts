// The function that gives up turns which no worker could take on, for the channels there are.
import { CHANNELS } from '../../channels/index.ts';
import { createStranded } from '../stranded.ts';

export const handler = createStranded(CHANNELS);
