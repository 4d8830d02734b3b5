// The function that gives up turns which no worker could run, with this package's channels.
import { CHANNELS } from '../../channels/index.ts';
import { createStranded } from '../stranded.ts';

export const handler = createStranded(CHANNELS);
