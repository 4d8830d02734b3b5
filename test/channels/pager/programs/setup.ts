// As src/lambda/functions/setup.ts, of a product that has pagers, too.
import { createSetup } from '../../../../src/lambda/setup.ts';
import { WITH_PAGER } from '../descriptor.ts';

export const handler = createSetup(WITH_PAGER);
