// The function that runs turns, with this package's channels.
import { CHANNELS } from '../../channels/index.ts';
import { createWorker } from '../worker.ts';

export const handler = createWorker(CHANNELS);
