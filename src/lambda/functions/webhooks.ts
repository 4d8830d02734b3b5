// The function that sends what webhooks are due.
import { createWebhooks } from '../webhooks.ts';

export const handler = createWebhooks();
