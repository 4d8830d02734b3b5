// Sends what is due, and writes down what became of it. A line is claimed before it is sent, so that of several senders one
// sends; one that is killed in between leaves a claim that runs out, and the message is sent again with the same id: at least once.
import { backoffMs } from '../core/backoff.ts';
import { Conflict } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Clock, SessionStore, WebhookStore } from '../core/ports.ts';
import { KEPT_TRIES, secretsOf, type WebhookDelivery } from '../core/webhooks.ts';
import { messageOf } from './message.ts';
import type { Posted, PostMessage } from './post-message.ts';

export interface SendDeliveryDeps {
  readonly webhooks: Pick<WebhookStore, 'list' | 'delivery' | 'update'>;
  readonly store: Pick<SessionStore, 'getTurn'>;
  readonly post: PostMessage;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

/** One line that is nobody else's to send for a minute. */
export type ClaimedDelivery = WebhookDelivery & { readonly dueMs: number };

export interface DeliverySender {
  /** Takes a line that is due; else says when to ask again, null for never. */
  claim(
    named: Pick<WebhookDelivery, 'tenant' | 'webhook' | 'id'>,
  ): Promise<{ readonly claimed: ClaimedDelivery } | { readonly dueMs: number | null }>;
  /** Returns when it is to be taken up again; null when there is nothing left to do. `signal` gives it back untold. */
  send(claimed: ClaimedDelivery, signal?: AbortSignal): Promise<number | null>;
}

const AGAIN = { firstMs: 5_000, maxMs: 4 * 3_600_000, jitter: 0.1 };
/** So long a message is tried. */
const TRIED_MS = 3 * 86_400_000;
/** Longer than a try may take. */
const CLAIM_MS = 60_000;
/** It is not wanted there any more. */
const GONE = 410;

export function createDeliverySender({
  webhooks,
  store,
  post,
  clock,
  log,
}: SendDeliveryDeps): DeliverySender {
  return {
    async claim({ tenant, webhook, id }) {
      const found = await webhooks.delivery(tenant, webhook, id);
      if (found?.status !== 'pending' || found.dueMs === null) return { dueMs: null };
      const nowMs = clock.now();
      if (found.dueMs > nowMs) return { dueMs: found.dueMs };
      const claimed = { ...found, attempts: found.attempts + 1, dueMs: nowMs + CLAIM_MS };
      try {
        await webhooks.update(claimed);
      } catch (error) {
        if (error instanceof Conflict) return { dueMs: nowMs + CLAIM_MS };
        throw error;
      }
      return { claimed: { ...claimed, version: claimed.version + 1 } };
    },

    async send(claimed, signal) {
      const { tenant, id, event, attempts, tries } = claimed;
      const webhook = (await webhooks.list(tenant)).find((one) => one.id === claimed.webhook);
      if (!webhook) return null;
      const turn = await store.getTurn(tenant, claimed.turnId);
      if (!turn?.reply) return await close({ ...claimed, status: 'dropped', dueMs: null });
      const { retryAfterMs = 0, ...posted } = await post(
        {
          url: webhook.url,
          id,
          body: messageOf(event, turn),
          secrets: secretsOf(webhook, clock.now()),
        },
        signal,
      );
      // It may have come through: then it comes twice, under one id.
      if (signal?.aborted && posted.fault !== null) {
        return await close({ ...claimed, attempts: attempts - 1, dueMs: clock.now() });
      }
      const status = statusAfter(claimed, posted);
      const waitMs = Math.max(backoffMs(AGAIN, attempts), retryAfterMs);
      const dueMs = status === 'pending' ? clock.now() + waitMs : null;
      log(posted.fault === null ? 'info' : 'warn', 'webhook-sent', {
        ...{ delivery: id, event, outcome: status, attempts, status: posted.status },
      });
      return await close({ ...claimed, status, dueMs, tries: [...tries, posted].slice(-KEPT_TRIES) });
    },
  };

  async function close(delivery: WebhookDelivery): Promise<number | null> {
    try {
      await webhooks.update(delivery);
    } catch (error) {
      // Replayed, erased or removed meanwhile: what is there now counts.
      if (!(error instanceof Conflict)) throw error;
    }
    return delivery.dueMs;
  }

  function statusAfter({ sinceMs }: WebhookDelivery, { fault, status }: Posted): WebhookDelivery['status'] {
    if (fault === null) return 'delivered';
    return status === GONE || clock.now() - sinceMs >= TRIED_MS ? 'failed' : 'pending';
  }
}
