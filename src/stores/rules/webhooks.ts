// What every store of webhooks holds to.
import { Conflict } from '../../core/errors.ts';
import type { Webhook, WebhookDelivery } from '../../core/webhooks.ts';

export function webhookChanged(): Conflict {
  return new Conflict('webhook-changed', 'Somebody else changed this just now.', {
    advice: 'Look at it again, then repeat.',
  });
}

/** By the clock, whether or not it has been deleted. */
export function isKeptDelivery({ expiresAtMs }: WebhookDelivery, nowMs: number): boolean {
  return expiresAtMs > nowMs;
}

export function byWebhookAge(a: Webhook, b: Webhook): number {
  return a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1);
}
