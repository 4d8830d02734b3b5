// `webhooks add|list|remove|log|replay`: programs that are told how turns of the HTTP API end. They work on the data folder or the
// installation, whether a server is running or not; one that runs sends what is due at once.
import { systemClock } from '../core/clock.ts';
import { Conflict, Gone, Invalid } from '../core/errors.ts';
import type { Tenant } from '../core/ids.ts';
import type { WebhookStore } from '../core/ports.ts';
import {
  type DeliveryId,
  MAX_WEBHOOKS,
  newWebhookId,
  newWebhookSecret,
  replayed,
  WEBHOOK_EVENTS,
  type Webhook,
  type WebhookEvent,
} from '../core/webhooks.ts';
import { harmless } from '../text/harmless.ts';
import { webhookAddresses } from '../webhooks/webhook-address.ts';
import type { CliContext, DataOptions } from './context.ts';
import { configurationFor, tenantOption, withStores } from './lookup.ts';

export async function add(
  context: CliContext,
  url: string,
  options: DataOptions & { readonly event?: readonly WebhookEvent[]; readonly description?: string },
): Promise<void> {
  const { terminal } = context;
  const tenant = tenantOption(options);
  const { privateAddresses } = configurationFor(context, options).webhooks;
  const fault = URL.canParse(url)
    ? webhookAddresses(privateAddresses).faultOf(new URL(url))
    : 'This is no address.';
  if (fault !== null) throw new Invalid('bad-webhook-url', fault, { advice: 'Give an https address.' });
  await withStores(context, options, async ({ webhooks }) => {
    if ((await webhooks.list(tenant)).length >= MAX_WEBHOOKS) {
      throw new Conflict('too-many-webhooks', `There are ${MAX_WEBHOOKS} webhooks already.`, {
        advice: 'Remove one: `hybrid-sessions webhooks remove`.',
      });
    }
    const secret = newWebhookSecret();
    const webhook: Webhook = {
      ...{ id: newWebhookId(), tenant, url, description: options.description ?? '', version: 1 },
      ...{ events: [...(options.event ?? WEBHOOK_EVENTS)], createdAtMs: systemClock.now() },
      secrets: [{ secret, untilMs: null }],
    };
    await webhooks.add(webhook);
    if (options.json) return terminal.json({ id: webhook.id, url, events: webhook.events, secret });
    terminal.line(secret);
    terminal.note(`This signs what ${webhook.id} is sent. It is not shown again.`);
  });
}

export async function list(context: CliContext, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ webhooks }) => {
    const found = (await webhooks.list(tenantOption(options))).map(({ secrets: _, ...webhook }) => webhook);
    if (options.json) return terminal.json({ webhooks: found });
    if (found.length === 0) return terminal.note('There is no webhook.');
    terminal.table(
      ['ID', 'ADDRESS', 'EVENTS'],
      found.map(({ id, url, events }) => [id, harmless(url), events.join(', ')]),
    );
  });
}

export async function remove(context: CliContext, id: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ webhooks }) => {
    const webhook = await named(webhooks, tenantOption(options), id);
    await webhooks.remove(webhook.tenant, webhook.id);
    if (options.json) return terminal.json({ removed: webhook.id });
    terminal.line(`${webhook.id} is told nothing any more; its log is removed.`);
  });
}

export async function log(
  context: CliContext,
  id: string,
  options: DataOptions & { readonly limit: number },
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ webhooks }) => {
    const webhook = await named(webhooks, tenantOption(options), id);
    const { items } = await webhooks.log(webhook.tenant, webhook.id, { limit: options.limit });
    if (options.json) return terminal.json({ deliveries: items });
    if (items.length === 0) return terminal.note('Nothing was sent to it in the last 30 days.');
    terminal.table(
      ['ID', 'EVENT', 'STATUS', 'TRIES', 'LAST ANSWER', 'TOLD (UTC)'],
      items.map(({ id: delivery, event, status, attempts, tries, createdAtMs }) => {
        const last = tries.at(-1);
        const answer = last ? (last.fault ?? String(last.status)) : '-';
        const at = new Date(createdAtMs).toISOString().replace(/T(\d\d:\d\d).*/, ' $1');
        return [delivery, event, status, String(attempts), answer, at];
      }),
    );
  });
}

export async function replay(
  context: CliContext,
  id: string,
  delivery: string,
  options: DataOptions,
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ webhooks, webhookWakes }) => {
    const webhook = await named(webhooks, tenantOption(options), id);
    const found = await webhooks.delivery(webhook.tenant, webhook.id, delivery as DeliveryId);
    if (!found || found.status === 'dropped') {
      throw new Gone('unknown-delivery', `${webhook.id} has no message ${delivery} that could be sent.`, {
        advice: `\`hybrid-sessions webhooks log ${webhook.id}\` shows them; one that was dropped told of a turn that is erased.`,
      });
    }
    const again = replayed(found, systemClock.now());
    await webhooks.update(again);
    await webhookWakes?.wake(again);
    if (options.json) return terminal.json(again);
    terminal.line(`${delivery} is queued: a running server sends it at once, another with its start.`);
  });
}

async function named(webhooks: WebhookStore, tenant: Tenant, id: string): Promise<Webhook> {
  const found = (await webhooks.list(tenant)).find((one) => one.id === id);
  if (found) return found;
  throw new Gone('unknown-webhook', `There is no webhook "${id}".`, {
    advice: '`hybrid-sessions webhooks list` shows them.',
  });
}
