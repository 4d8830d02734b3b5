// The contract of every `WebhookStore`: a message is logged once, no change is lost to another, tenants and webhooks are apart,
// and whoever waits for what is due learns of it.
import { describe, expect } from 'vitest';
import { Conflict, Refused } from '../../src/core/errors.ts';
import { type Tenant, type TurnId, tenantId } from '../../src/core/ids.ts';
import type { WebhookStore } from '../../src/core/ports/webhooks.ts';
import {
  type DeliveryId,
  deliveryIdOf,
  KEPT_DELIVERY_MS,
  newWebhookId,
  type Webhook,
  type WebhookDelivery,
  withNewSecret,
} from '../../src/core/webhooks.ts';
import type { ManualClock } from '../clock.ts';
import { type Contract, cases, expectFailure, HOSTILE_IDS, needed, withFixture } from './contract.ts';

export interface WebhooksFixture {
  readonly webhooks: WebhookStore;
  readonly clock: ManualClock;
  /** Another over the same data, as a second process would open it; absent where there can be none. */
  reopen?(): Promise<WebhookStore>;
  close(): Promise<void>;
}

export type WebhooksContract = Contract<WebhooksFixture>;

const ACME = tenantId('acme');

export function webhookOf(nowMs: number, tenant: Tenant = ACME): Webhook {
  return {
    ...{ id: newWebhookId(), tenant, url: 'https://example.com/hook', description: 'orders' },
    ...{ events: ['turn.final', 'turn.failed'], version: 1, createdAtMs: nowMs },
    secrets: [{ secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', untilMs: null }],
  };
}

export function lineOf({ id: webhook, tenant }: Webhook, nowMs: number, at = 0): WebhookDelivery {
  const turnId = `turn_${String(at).padStart(32, '0')}` as TurnId;
  return {
    id: deliveryIdOf(webhook, { turnId, endedAtMs: nowMs }),
    ...{ webhook, tenant, turnId, event: 'turn.final', status: 'pending', attempts: 0, tries: [] },
    ...{ dueMs: nowMs, sinceMs: nowMs, createdAtMs: nowMs, replays: 0, version: 1 },
    expiresAtMs: nowMs + KEPT_DELIVERY_MS,
  };
}

export function webhooksContract({ name, create, skip }: WebhooksContract): void {
  describe(`webhooks: ${name}`, () => {
    const { it, finish } = cases(skip);

    it('what was added is listed as it is, oldest first; an id that is known is refused', () =>
      withFixture(create, async ({ webhooks, clock }) => {
        expect(await webhooks.list(ACME)).toEqual([]);
        const first = webhookOf(clock.now());
        await webhooks.add(first);
        await clock.advance(10);
        const second = webhookOf(clock.now());
        await webhooks.add(second);
        await expectFailure(
          webhooks.add({ ...first, url: 'https://other.example' }),
          Conflict,
          'webhook-changed',
        );
        expect(await webhooks.list(ACME)).toEqual([first, second]);
        await webhooks.set(withNewSecret(first, 'whsec_bmV3', clock.now()));
        const [changed] = await webhooks.list(ACME);
        expect(changed).toMatchObject({
          version: 2,
          secrets: [{ secret: 'whsec_bmV3' }, { untilMs: expect.any(Number) }],
        });
        await expectFailure(webhooks.set(first), Conflict, 'webhook-changed');
        expect(await webhooks.remove(ACME, first.id)).toBe(true);
        expect(await webhooks.remove(ACME, first.id)).toBe(false);
        expect(await webhooks.list(ACME)).toEqual([second]);
      }));

    it('a message is logged once, however often it is told and by whom', () =>
      withFixture(create, async ({ webhooks, clock, reopen }) => {
        const other = (await reopen?.()) ?? webhooks;
        const webhook = webhookOf(clock.now());
        await webhooks.add(webhook);
        const line = lineOf(webhook, clock.now());
        const told = await Promise.all(
          Array.from({ length: 6 }, (_, at) =>
            (at % 2 ? webhooks : other).enqueue({ ...line, attempts: at }),
          ),
        );
        expect(told.filter(Boolean)).toHaveLength(1);
        const found = await other.delivery(ACME, webhook.id, line.id);
        expect(found).toEqual({ ...line, attempts: told.indexOf(true) });
        expect(await webhooks.delivery(ACME, webhook.id, 'msg_none' as DeliveryId)).toBeNull();
      }));

    it('of changes over the same version exactly one goes through', () =>
      withFixture(create, async ({ webhooks, clock, reopen }) => {
        const other = (await reopen?.()) ?? webhooks;
        const webhook = webhookOf(clock.now());
        await webhooks.add(webhook);
        const line = lineOf(webhook, clock.now());
        await webhooks.enqueue(line);
        const outcomes = await Promise.allSettled(
          Array.from({ length: 8 }, (_, at) =>
            (at % 2 ? webhooks : other).update({ ...line, attempts: at + 1 }),
          ),
        );
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        for (const outcome of outcomes) {
          if (outcome.status === 'rejected')
            expect(outcome.reason).toMatchObject({ code: 'webhook-changed' });
        }
        expect(await webhooks.delivery(ACME, webhook.id, line.id)).toMatchObject({ version: 2 });
        const never = lineOf(webhook, clock.now(), 9);
        await expectFailure(webhooks.update(never), Conflict, 'webhook-changed');
      }));

    it('the log is told newest first, page by page, until its lines are over', () =>
      withFixture(create, async ({ webhooks, clock }) => {
        const webhook = webhookOf(clock.now());
        const other = webhookOf(clock.now());
        const lines: WebhookDelivery[] = [];
        for (let at = 0; at < 7; at++) {
          await clock.advance(at === 3 ? 0 : 1_000);
          lines.unshift(lineOf(webhook, clock.now(), at));
          await webhooks.enqueue(lines[0]!);
        }
        await webhooks.enqueue(lineOf(other, clock.now()));
        const seen: WebhookDelivery[] = [];
        let cursor: string | null | undefined;
        let pages = 0;
        while (cursor !== null) {
          const page = await webhooks.log(ACME, webhook.id, { limit: 3, ...(cursor && { cursor }) });
          seen.push(...page.items);
          cursor = page.cursor;
          pages++;
        }
        expect(pages).toBe(3);
        expect(seen).toEqual(lines.toSorted((a, b) => (a.id < b.id ? 1 : -1)));
        await clock.advance(KEPT_DELIVERY_MS);
        expect((await webhooks.log(ACME, webhook.id)).items).toEqual([]);
        expect(await webhooks.delivery(ACME, webhook.id, lines[0]!.id)).toBeNull();
      }));

    it('a webhook goes with its log, and a turn is forgotten in every log of its tenant', () =>
      withFixture(create, async ({ webhooks, clock }) => {
        const nowMs = clock.now();
        const [a, b] = [webhookOf(nowMs), webhookOf(nowMs)];
        const stranger = webhookOf(nowMs, tenantId('other'));
        for (const one of [a, b, stranger]) {
          await webhooks.add(one);
          for (const at of [0, 1, 2]) await webhooks.enqueue(lineOf(one, nowMs, at));
        }
        const { turnId } = lineOf(a, nowMs, 1);
        await webhooks.forget(ACME, [{ turnId, endedAtMs: nowMs }]);
        const idsOf = async ({ tenant, id }: Webhook) =>
          (await webhooks.log(tenant, id)).items.map((line) => line.turnId.slice(-1)).sort();
        expect([await idsOf(a), await idsOf(b)]).toEqual([
          ['0', '2'],
          ['0', '2'],
        ]);
        expect(await idsOf(stranger)).toEqual(['0', '1', '2']);
        await webhooks.remove(ACME, a.id);
        expect([await idsOf(a), await idsOf(b)]).toEqual([[], ['0', '2']]);
        expect(await webhooks.list(ACME)).toEqual([b]);
      }));

    it('tenants are apart, whatever their names hold', () =>
      withFixture(create, async ({ webhooks, clock }) => {
        const tenants = HOSTILE_IDS.filter((id) => id !== '' && id.length <= 256 && id.isWellFormed()).map(
          tenantId,
        );
        const all = tenants.map((tenant) => webhookOf(clock.now(), tenant));
        for (const one of all) {
          await webhooks.add(one);
          await webhooks.enqueue(lineOf(one, clock.now()));
        }
        await webhooks.remove(all[0]!.tenant, all[0]!.id);
        for (const [at, one] of all.entries()) {
          expect(await webhooks.list(one.tenant)).toEqual(at === 0 ? [] : [one]);
          const lines = (await webhooks.log(one.tenant, one.id)).items;
          expect(lines).toEqual(at === 0 ? [] : [lineOf(one, clock.now())]);
        }
      }));

    it('what is due is told by its time, the longest due first; what is done, and to whom nothing may be sent, is not', () =>
      withFixture(create, async ({ webhooks, clock }) => {
        const due = needed(webhooks.due);
        const nowMs = clock.now();
        const [a, b] = [webhookOf(nowMs), webhookOf(nowMs, tenantId('other'))];
        await webhooks.enqueue({ ...lineOf(a, nowMs, 0), dueMs: nowMs + 2_000 });
        await webhooks.enqueue({ ...lineOf(b, nowMs, 1), dueMs: nowMs + 1_000 });
        await webhooks.enqueue({ ...lineOf(a, nowMs, 2), dueMs: null, status: 'delivered' });
        expect(await due.list(nowMs, 10, [])).toEqual([]);
        const found = async (limit: number, without: readonly Webhook[] = []) =>
          (
            await due.list(
              nowMs + 5_000,
              limit,
              without.map(({ id }) => id),
            )
          ).map(({ turnId }) => turnId.slice(-1));
        expect(await found(10)).toEqual(['1', '0']);
        expect(await found(1)).toEqual(['1']);
        expect(await found(1, [b])).toEqual(['0']);
        expect(await found(10, [a, b])).toEqual([]);
      }));

    it('whoever waits wakes at the due time, and when a nearer one is told', () =>
      withFixture(create, async ({ webhooks, clock, reopen }) => {
        const due = needed(webhooks.due);
        const other = (await reopen?.()) ?? webhooks;
        const webhook = webhookOf(clock.now());
        const { signal } = new AbortController();
        const first = due.wait(signal, []);
        await other.enqueue({ ...lineOf(webhook, clock.now()), dueMs: clock.now() + 90_000 });
        await clock.advance(1_000);
        await first;
        let isAwake = false;
        const second = due.wait(signal, []).then(() => {
          isAwake = true;
        });
        await clock.advance(60_000);
        expect(isAwake).toBe(false);
        await clock.advance(30_000);
        await second;
        expect(await due.list(clock.now(), 10, [])).toHaveLength(1);
        const ended = new AbortController();
        // One that is left out wakes nobody.
        const third = due.wait(ended.signal, [webhook.id]);
        ended.abort();
        await third;
      }));

    it('once closed it refuses', () =>
      withFixture(create, async ({ webhooks, clock }) => {
        const webhook = webhookOf(clock.now());
        await webhooks.add(webhook);
        await webhooks.close();
        await expectFailure(webhooks.list(ACME), Refused, 'store-closed');
        await expectFailure(webhooks.enqueue(lineOf(webhook, clock.now())), Refused, 'store-closed');
      }));

    finish();
  });
}
