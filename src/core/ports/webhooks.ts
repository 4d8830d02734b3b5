// Webhooks of a tenant and the log of what was sent to them. Whoever changes an entry says which version it saw.
import type { Tenant } from '../ids.ts';
import type { DeliveryId, ToldTurn, Webhook, WebhookDelivery, WebhookId } from '../webhooks.ts';
import type { ListOptions, Page } from './store.ts';

export interface WebhookStore {
  /** Oldest first. */
  list(tenant: Tenant): Promise<readonly Webhook[]>;
  /** Conflict('webhook-changed') when the id is known. */
  add(webhook: Webhook): Promise<void>;
  /** Replaces what has this version, and counts it up. Conflict('webhook-changed') when it has another, or is gone. */
  set(webhook: Webhook): Promise<void>;
  /** With its log; false when there is none. */
  remove(tenant: Tenant, id: WebhookId): Promise<boolean>;

  /** False when the log has it: what is there stays as it is. */
  enqueue(delivery: WebhookDelivery): Promise<boolean>;
  /** null when absent or expired. */
  delivery(tenant: Tenant, webhook: WebhookId, id: DeliveryId): Promise<WebhookDelivery | null>;
  /** As `set`. */
  update(delivery: WebhookDelivery): Promise<void>;
  /** Newest first. */
  log(tenant: Tenant, webhook: WebhookId, options?: ListOptions): Promise<Page<WebhookDelivery>>;
  /** Removes the lines of these turns. */
  forget(tenant: Tenant, turns: readonly ToldTurn[]): Promise<void>;
  /** Absent where the platform wakes by itself. */
  readonly due?: DueDeliveries;
  close(): Promise<void>;
}

/** What a clock on this machine needs to know, of all tenants. */
export interface DueDeliveries {
  /** Pending ones whose time has come, the longest due first; those to some webhooks are left out. */
  list(nowMs: number, limit: number, without: readonly WebhookId[]): Promise<readonly WebhookDelivery[]>;
  /** Until the first of such is due or `signal` aborts; returns as soon as that may have changed. */
  wait(signal: AbortSignal, without: readonly WebhookId[]): Promise<void>;
}

/** Where no clock runs: has a delivery taken up by whoever sends. May be asked more than once for the same. */
export interface WebhookWakes {
  wake(delivery: Pick<WebhookDelivery, 'tenant' | 'webhook' | 'id' | 'replays'>): Promise<void>;
}
