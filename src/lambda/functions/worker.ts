// The function that runs turns, for the channels there are.
import { CHANNELS } from '../../channels/index.ts';
import { createWorker } from '../worker.ts';

export const handler = createWorker(CHANNELS);
