// As src/local/worker-program.ts, of a product that has pagers, too.
import { runWorkerProcess } from '../../../src/local/worker-process.ts';
import { WITH_PAGER } from './descriptor.ts';

runWorkerProcess(WITH_PAGER);
