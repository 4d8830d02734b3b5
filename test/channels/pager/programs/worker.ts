// As src/lambda/functions/worker.ts, of a product that has pagers, too.
import { sharedHosts } from '../../../../src/lambda/shared-hosts.ts';
import { createWorker } from '../../../../src/lambda/worker.ts';
import { WITH_PAGER } from '../descriptor.ts';

export const handler = createWorker(WITH_PAGER, sharedHosts);
