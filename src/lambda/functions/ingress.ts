// The function that takes webhooks, with this package's channels.
import { CHANNELS } from '../../channels/index.ts';
import { createIngress } from '../ingress.ts';

export const handler = createIngress(CHANNELS);
