// Sends what is due from this process, from its start on, where the store tells what is.
import type { WebhookStore } from '../core/ports.ts';
import { createPostMessage, type PostOptions } from './post-message.ts';
import { type RunDeliveriesDeps, runDeliveries } from './run-deliveries.ts';
import { createDeliverySender, type SendDeliveryDeps } from './send-delivery.ts';

export interface StartDeliveriesDeps
  extends Pick<SendDeliveryDeps, 'store'>,
    Pick<PostOptions, 'privateAddresses'>,
    Pick<RunDeliveriesDeps, 'clock' | 'log'> {
  readonly webhooks: WebhookStore;
}

export function startDeliveries(deps: StartDeliveriesDeps): { stop(): Promise<void> } {
  const { due } = deps.webhooks;
  const stopping = new AbortController();
  const sender = createDeliverySender({ ...deps, post: createPostMessage(deps) });
  const running = due && runDeliveries({ ...deps, sender, due }, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
