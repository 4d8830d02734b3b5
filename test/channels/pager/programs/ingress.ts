// As src/lambda/functions/ingress.ts, of a product that has pagers, too.
import { createIngress } from '../../../../src/lambda/ingress.ts';
import { WITH_PAGER } from '../descriptor.ts';

export const handler = createIngress(WITH_PAGER);
