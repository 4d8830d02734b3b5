// The function that takes webhooks, for the channels there are.
import { CHANNELS } from '../../channels/index.ts';
import { createIngress } from '../ingress.ts';

export const handler = createIngress(CHANNELS);
