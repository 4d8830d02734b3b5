// Tells webhooks that a turn has ended: one line in the log of each webhook that wants its event. It is called between a turn's
// commit and its end, so a worker that is killed there leaves the rest to the next one, which finds the same lines.

import { conversationOf, tenantOf } from '../core/ids.ts';
import { errorFields, type Log } from '../core/log.ts';
import type { Clock, WebhookStore, WebhookWakes } from '../core/ports.ts';
import type { TurnRecord } from '../core/records.ts';
import { deliveryOf, eventOf } from '../core/webhooks.ts';

export interface AnnounceDeps {
  readonly webhooks: Pick<WebhookStore, 'list' | 'enqueue'>;
  /** Where no clock of ours sees what is due. */
  readonly wakes?: WebhookWakes;
  /** Chats of this channel only: those that the owner's programs can name. */
  readonly channel: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

export type Announce = (turn: TurnRecord) => Promise<void>;

export function createAnnounce({ webhooks, wakes, channel, clock, log }: AnnounceDeps): Announce {
  return async (turn) => {
    if (conversationOf(turn.sessionKey).channel !== channel) return;
    const event = eventOf(turn);
    const all = await webhooks.list(tenantOf(turn.sessionKey));
    for (const webhook of all.filter(({ events }) => events.includes(event))) {
      const delivery = deliveryOf(webhook, turn, clock.now());
      await webhooks.enqueue(delivery);
      // Also when the line was there: whoever wrote it may not have come to this.
      await wakes?.wake(delivery).catch((error: unknown) => {
        log('error', 'webhook-not-queued', { delivery: delivery.id, ...errorFields(error) });
        throw error;
      });
    }
  };
}
