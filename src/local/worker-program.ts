// The program of a worker process: a worker that knows this package's channels.
import { CHANNELS } from '../channels/index.ts';
import { runWorkerProcess } from './worker-process.ts';

runWorkerProcess(CHANNELS);
