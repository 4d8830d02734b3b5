// As src/lambda/functions/stranded.ts, of a product that has pagers, too.
import { createStranded } from '../../../../src/lambda/stranded.ts';
import { WITH_PAGER } from '../descriptor.ts';

export const handler = createStranded(WITH_PAGER);
