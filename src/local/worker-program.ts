// What a worker process runs: a worker that knows the channels there are.
import { CHANNELS } from '../channels/index.ts';
import { runWorkerProcess } from './worker-process.ts';

runWorkerProcess(CHANNELS);
