// Webhooks by the client: for a back-end with a key, never for a browser.
import type { PageOptions, Requests } from './requests.ts';
import type { Deliveries, Delivery, NewWebhook, Webhook } from './shapes.ts';

export function webhookCalls(
  { json, request }: Pick<Requests, 'json' | 'request'>,
  page: <T>(path: string, options?: PageOptions) => Promise<T>,
) {
  const all = '/v1/webhooks';
  const pathOf = (id: string) => `${all}/${encodeURIComponent(id)}`;
  return {
    /** From now on the address is told how turns end. The secret that signs its messages is shown this once. */
    add: (webhook: NewWebhook) =>
      json<Webhook & { readonly secret: string }>(all, { method: 'POST', body: webhook }),
    list: async () => (await json<{ readonly webhooks: readonly Webhook[] }>(all)).webhooks,
    /** With its log. */
    async remove(id: string): Promise<void> {
      await request(pathOf(id), { method: 'DELETE' });
    },
    /** For a day messages are signed by both secrets. */
    changeSecret: (id: string) =>
      json<{ readonly secret: string; readonly old_valid_until: string }>(`${pathOf(id)}/secret`, {
        method: 'POST',
        body: {},
      }),
    /** What was sent, newest first. */
    deliveries: (id: string, options?: PageOptions) => page<Deliveries>(`${pathOf(id)}/deliveries`, options),
    /** The same message again, under the same id. */
    replay: (id: string, delivery: string) =>
      json<Delivery>(`${pathOf(id)}/deliveries/${encodeURIComponent(delivery)}/replay`, {
        method: 'POST',
        body: {},
      }),
  };
}
