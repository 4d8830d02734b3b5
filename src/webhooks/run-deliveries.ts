// The clock of one machine: sends what is due, several at once, then sleeps until the next due time or until something changes.
// An address that hangs keeps no other webhook waiting.
import { backoffAfterMs } from '../core/backoff.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { Clock, DueDeliveries } from '../core/ports.ts';
import type { WebhookDelivery, WebhookId } from '../core/webhooks.ts';
import type { DeliverySender } from './send-delivery.ts';

/** After the log could not be read or written. */
const READING = { firstMs: 1_000, maxMs: 60_000 };
const AT_ONCE = 20;
/** Of them to one webhook. */
const AT_ONCE_TO_ONE = 4;

export interface RunDeliveriesDeps {
  readonly sender: DeliverySender;
  readonly due: DueDeliveries;
  readonly clock: Clock;
  readonly log: Log;
}

/** Runs until `signal` aborts; what is being sent then is given back. */
export async function runDeliveries(deps: RunDeliveriesDeps, signal: AbortSignal): Promise<void> {
  const { sender, due, clock, log } = deps;
  const running = new Map<WebhookDelivery, Promise<void>>();
  let failures = 0;

  async function begin(delivery: WebhookDelivery): Promise<void> {
    const claim = await sender.claim(delivery);
    if (!('claimed' in claim)) return;
    const { claimed } = claim;
    const sent = sender
      .send(claimed, signal)
      .catch((error: unknown) => {
        // Its claim runs out.
        log('error', 'webhook-not-sent', { delivery: claimed.id, ...errorFields(error) });
      })
      .then(() => void running.delete(claimed));
    running.set(claimed, sent);
  }

  while (!signal.aborted) {
    try {
      const room = AT_ONCE - running.size;
      const found = room > 0 ? await due.list(clock.now(), room, full(running)) : [];
      for (const delivery of found) {
        if (!full(running).includes(delivery.webhook)) await begin(delivery);
      }
      const noticed = new AbortController();
      const ends = [...running.values()];
      if (running.size < AT_ONCE) {
        ends.push(due.wait(AbortSignal.any([signal, noticed.signal]), full(running)));
      }
      await Promise.race(ends);
      noticed.abort();
      failures = 0;
    } catch (error) {
      log('error', 'webhooks-unreadable', errorFields(error));
      await clock.sleep(backoffAfterMs(error, READING, ++failures), signal);
    }
  }
  await Promise.all(running.values());
}

function full(running: ReadonlyMap<WebhookDelivery, unknown>): readonly WebhookId[] {
  const counts = new Map<WebhookId, number>();
  for (const { webhook } of running.keys()) counts.set(webhook, (counts.get(webhook) ?? 0) + 1);
  return [...counts].filter(([, count]) => count >= AT_ONCE_TO_ONE).map(([webhook]) => webhook);
}
