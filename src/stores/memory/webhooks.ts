// Webhooks in memory: for tests, and for a program that need not outlive itself.
import { systemClock } from '../../core/clock.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { WebhookStore } from '../../core/ports/webhooks.ts';
import {
  deliveryIdOf,
  parseDelivery,
  parseWebhook,
  type Webhook,
  type WebhookDelivery,
  type WebhookId,
} from '../../core/webhooks.ts';
import { storeError } from '../rules/errors.ts';
import { decodeCursor, encodeCursor, pageSize } from '../rules/paging.ts';
import { byWebhookAge, isKeptDelivery, webhookChanged } from '../rules/webhooks.ts';
import { createWakeUp } from '../wake-up.ts';

export function createMemoryWebhooks(options: { readonly clock?: Clock } = {}): WebhookStore {
  const clock = options.clock ?? systemClock;
  const webhooks = new Map<string, Webhook>();
  const deliveries = new Map<string, WebhookDelivery>();
  const changed = createWakeUp();
  let isClosed = false;

  function requireOpen(): void {
    if (isClosed) throw storeError('store-closed');
  }

  function put(delivery: WebhookDelivery): void {
    deliveries.set(keyOf(delivery), parseDelivery(structuredClone(delivery)));
    changed.wake();
  }

  const kept = () => [...deliveries.values()].filter((one) => isKeptDelivery(one, clock.now()));
  const pending = (without: readonly WebhookId[]) =>
    kept().filter(({ dueMs, webhook }) => dueMs !== null && !without.includes(webhook));

  return {
    async list(tenant) {
      requireOpen();
      return [...webhooks.values()].filter((one) => one.tenant === tenant).sort(byWebhookAge);
    },
    async add(webhook) {
      requireOpen();
      if (webhooks.has(nameOf(webhook))) throw webhookChanged();
      webhooks.set(nameOf(webhook), parseWebhook(structuredClone(webhook)));
    },
    async set(webhook) {
      requireOpen();
      if (webhooks.get(nameOf(webhook))?.version !== webhook.version) throw webhookChanged();
      webhooks.set(nameOf(webhook), parseWebhook({ ...webhook, version: webhook.version + 1 }));
    },
    async remove(tenant, id) {
      requireOpen();
      for (const [key, one] of deliveries) {
        if (one.tenant === tenant && one.webhook === id) deliveries.delete(key);
      }
      return webhooks.delete(nameOf({ tenant, id }));
    },
    async enqueue(delivery) {
      requireOpen();
      if (deliveries.has(keyOf(delivery))) return false;
      put(delivery);
      return true;
    },
    async delivery(tenant, webhook, id) {
      requireOpen();
      const found = deliveries.get(keyOf({ tenant, webhook, id }));
      return found && isKeptDelivery(found, clock.now()) ? found : null;
    },
    async update(delivery) {
      requireOpen();
      if (deliveries.get(keyOf(delivery))?.version !== delivery.version) throw webhookChanged();
      put({ ...delivery, version: delivery.version + 1 });
    },
    async log(tenant, webhook, page) {
      requireOpen();
      const [before = '\uFFFF'] = (decodeCursor(page?.cursor, ['string']) ?? []) as [string?];
      const limit = pageSize(page);
      const found = kept()
        .filter((one) => one.tenant === tenant && one.webhook === webhook && one.id < before)
        .sort((a, b) => (a.id < b.id ? 1 : -1));
      const items = found.slice(0, limit);
      const last = items.at(-1);
      return { items, cursor: last && found.length > limit ? encodeCursor([last.id]) : null };
    },
    async forget(tenant, turns) {
      requireOpen();
      for (const webhook of webhooks.values()) {
        if (webhook.tenant !== tenant) continue;
        for (const turn of turns) {
          deliveries.delete(keyOf({ tenant, webhook: webhook.id, id: deliveryIdOf(webhook.id, turn) }));
        }
      }
    },
    due: {
      async list(nowMs, limit, without) {
        requireOpen();
        const due = pending(without).filter(({ dueMs }) => Number(dueMs) <= nowMs);
        return due.sort((a, b) => Number(a.dueMs) - Number(b.dueMs)).slice(0, limit);
      },
      async wait(signal, without) {
        const next = Math.min(...pending(without).map(({ dueMs }) => Number(dueMs)));
        const leftMs = Math.min(next - clock.now(), 3_600_000);
        if (leftMs > 0) await changed.wait(clock, leftMs, signal);
      },
    },
    async close() {
      isClosed = true;
    },
  };
}

function nameOf({ tenant, id }: Pick<Webhook, 'tenant' | 'id'>): string {
  return `${tenant} ${id}`;
}

function keyOf({ tenant, webhook, id }: Pick<WebhookDelivery, 'tenant' | 'webhook' | 'id'>): string {
  return `${tenant} ${webhook} ${id}`;
}
