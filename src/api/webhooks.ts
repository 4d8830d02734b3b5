// Webhooks of an owner: made, listed, given a new secret, removed; and the log of what was sent, from which a message can be sent
// again. For programs only: what a webhook is told is of all people's chats.
import type { Context } from 'hono';
import { z } from 'zod';
import { Conflict } from '../core/errors.ts';
import type { WebhookStore } from '../core/ports.ts';
import {
  type DeliveryId,
  MAX_WEBHOOKS,
  newWebhookId,
  newWebhookSecret,
  OLD_SECRET_MS,
  replayed,
  WEBHOOK_EVENTS,
  type Webhook,
  type WebhookDelivery,
  withNewSecret,
} from '../core/webhooks.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { refuse } from './problems.ts';
import { emptyBody, jsonBody, pageOf } from './requests.ts';

const webhookBody = z.strictObject({
  url: z.url().max(2_000),
  events: z.array(z.enum(WEBHOOK_EVENTS)).min(1).optional(),
  description: z.string().max(200).optional(),
});
const WEBHOOK = /^wh_[0-9a-f]{16}$/;
const DELIVERY = /^msg_[0-9a-f]{32}$/;

export function webhookRoutes(deps: ApiDeps): Route[] {
  const { owner = OWN, clock } = deps;
  const { tenant } = owner;
  const forPrograms = { program: true, scope: 'manage' } as const;

  function webhooks(): WebhookStore {
    return deps.webhooks ?? refuse(409, 'no-webhooks', 'Nothing is sent to webhooks here.');
  }

  async function find(context: Context): Promise<Webhook> {
    const id = context.req.param('id') ?? '';
    const found = WEBHOOK.test(id) && (await webhooks().list(tenant)).find((one) => one.id === id);
    return found || refuse(404, 'unknown-webhook', 'There is no such webhook.');
  }

  return [
    {
      ...forPrograms,
      method: 'get',
      path: '/v1/webhooks',
      async handle(context) {
        return context.json({ webhooks: (await webhooks().list(tenant)).map(webhookView) });
      },
    },
    {
      ...forPrograms,
      method: 'post',
      path: '/v1/webhooks',
      async handle(context) {
        const { url, events = WEBHOOK_EVENTS, description = '' } = await jsonBody(context, webhookBody);
        const store = webhooks();
        const fault = deps.webhookFaultOf?.(new URL(url)) ?? null;
        if (fault !== null) refuse(400, 'bad-webhook-url', fault);
        if ((await store.list(tenant)).length >= MAX_WEBHOOKS) {
          refuse(409, 'too-many-webhooks', `There are ${MAX_WEBHOOKS} webhooks already: remove one.`);
        }
        const secret = newWebhookSecret();
        const webhook: Webhook = {
          ...{ id: newWebhookId(), tenant, url, description, events: [...new Set(events)] },
          ...{ secrets: [{ secret, untilMs: null }], version: 1, createdAtMs: clock.now() },
        };
        await store.add(webhook);
        return context.json({ ...webhookView(webhook), secret }, 201);
      },
    },
    {
      ...forPrograms,
      method: 'delete',
      path: '/v1/webhooks/{id}',
      async handle(context) {
        await webhooks().remove(tenant, (await find(context)).id);
        return context.body(null, 204);
      },
    },
    {
      ...forPrograms,
      method: 'post',
      path: '/v1/webhooks/{id}/secret',
      async handle(context) {
        await jsonBody(context, emptyBody, true);
        const secret = newWebhookSecret();
        const nowMs = clock.now();
        await webhooks().set(withNewSecret(await find(context), secret, nowMs));
        return context.json({ secret, old_valid_until: new Date(nowMs + OLD_SECRET_MS).toISOString() });
      },
    },
    {
      ...forPrograms,
      method: 'get',
      path: '/v1/webhooks/{id}/deliveries',
      async handle(context) {
        const options = pageOf(context);
        const page = await webhooks().log(tenant, (await find(context)).id, options);
        return context.json({ deliveries: page.items.map(deliveryView), cursor: page.cursor });
      },
    },
    {
      ...forPrograms,
      method: 'post',
      path: '/v1/webhooks/{id}/deliveries/{delivery}/replay',
      async handle(context) {
        await jsonBody(context, emptyBody, true);
        const { id } = await find(context);
        const name = context.req.param('delivery') ?? '';
        const found = DELIVERY.test(name) && (await webhooks().delivery(tenant, id, name as DeliveryId));
        if (!found) return refuse(404, 'unknown-delivery', 'This webhook has no such message in its log.');
        if (found.status === 'dropped') {
          throw new Conflict('turn-erased', 'The turn that this message told of is not there any more.');
        }
        const again = replayed(found, clock.now());
        await webhooks().update(again);
        await deps.webhookWakes?.wake(again);
        return context.json(deliveryView(again), 202);
      },
    },
  ];
}

/** Without its secrets. */
function webhookView({ id, url, description, events, createdAtMs }: Webhook) {
  return { id, url, description, events, created_at: new Date(createdAtMs).toISOString() };
}

function deliveryView(delivery: WebhookDelivery) {
  const { id, turnId, event, status, attempts, replays, dueMs, createdAtMs, tries } = delivery;
  return {
    ...{ id, turn_id: turnId, event, status, attempts, replays },
    next_try_at: dueMs === null ? null : new Date(dueMs).toISOString(),
    created_at: new Date(createdAtMs).toISOString(),
    tries: tries.map(({ atMs, tookMs, status: answered, fault }) => ({
      ...{ at: new Date(atMs).toISOString(), took_ms: tookMs, status: answered, fault },
    })),
  };
}
