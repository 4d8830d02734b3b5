// How turns come to webhooks: one message for each webhook that wants the event, also when the worker is killed on the way, and
// none for chats that are not the owner's programs' to see.
import { describe, expect, test } from 'vitest';
import { tenantId } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import type { WebhookStore } from '../../src/core/ports.ts';
import { TURN_POINTS } from '../../src/core/running-turn.ts';
import { WEBHOOK_EVENTS, type WebhookEvent } from '../../src/core/webhooks.ts';
import { createMemoryWebhooks } from '../../src/stores/memory/index.ts';
import { createAnnounce } from '../../src/webhooks/announce.ts';
import { webhookOf } from '../../testing/contracts/webhooks.ts';
import { asksFor } from '../api/fixture.ts';
import { createFixture, type Fixture, frozen } from '../core/fixture.ts';

const DEFAULT = tenantId('default');

async function withWebhook(events: readonly WebhookEvent[] = WEBHOOK_EVENTS, channel = 'http') {
  const fixture = createFixture();
  const webhooks = createMemoryWebhooks({ clock: fixture.clock });
  const webhook = { ...webhookOf(fixture.clock.now(), DEFAULT), events: [...events] };
  await webhooks.add(webhook);
  const woken: string[] = [];
  const announcer = (bound: WebhookStore) =>
    createAnnounce({
      webhooks: bound,
      wakes: { wake: async ({ id }) => void woken.push(id) },
      channel,
      clock: fixture.clock,
      log: silentLog,
    });
  const lines = async () => (await webhooks.log(DEFAULT, webhook.id)).items;
  return { fixture, woken, lines, webhooks, told: { webhooks, announcer } };
}

/** Nothing of it runs on. Resolves when it has come to the point. */
async function killedAt(fixture: Fixture, point: string, told: object): Promise<void> {
  const reached = Promise.withResolvers<void>();
  const at = (p: string) => {
    if (p !== point) return;
    reached.resolve();
    return new Promise<void>(() => {});
  };
  void fixture.step({ ...frozen(fixture), ...told, at });
  await reached.promise;
}

describe('a killed worker', () => {
  test.each(TURN_POINTS)('at %s leaves one message, with one id, to the next one', async (point) => {
    const { fixture, woken, lines, told } = await withWebhook();
    await fixture.say('hello');
    await killedAt(fixture, point, told);
    await fixture.clock.advance(90_000);
    for (let more: string | null = 'some'; more !== null; ) {
      more = await fixture.step(told);
      await fixture.clock.advance(90_000);
    }
    expect((await lines()).map(({ event }) => event)).toEqual(['turn.final']);
    expect(new Set(woken)).toEqual(new Set((await lines()).map(({ id }) => id)));
  });

  test('where the log is away the turn is not closed, and is told when it is back', async () => {
    const { fixture, lines, webhooks, told } = await withWebhook();
    const { turnId } = await fixture.say('hello');
    const away = { ...webhooks, enqueue: () => Promise.reject(new Error('away')) };
    expect(await fixture.step({ ...told, webhooks: away })).toBe('retry');
    expect(await fixture.deps.store.getTurn(DEFAULT, turnId)).toMatchObject({ status: 'committed' });
    expect(await lines()).toEqual([]);
    await fixture.clock.advance(90_000);
    expect(await fixture.step(told)).toBe('done');
    expect(await lines()).toHaveLength(1);
    expect(fixture.runs).toHaveLength(1);
  });
});

describe('events', () => {
  test('each turn has one, by what became of it', async () => {
    const { fixture, lines, told } = await withWebhook();
    await fixture.say('plain');
    await fixture.step(told);
    await fixture.say('by itself', { kind: 'wake' });
    await fixture.step(told);
    fixture.agent = async () => ({
      status: 'failed',
      text: 'It went wrong.',
      code: 'agent-failed',
      demo: false,
    });
    await fixture.say('fails');
    await fixture.step(told);
    fixture.agent = asksFor('npm publish');
    await fixture.say('asks');
    await fixture.step(told);
    expect((await lines()).map(({ event }) => event).sort()).toEqual([
      'turn.asked',
      'turn.failed',
      'turn.final',
      'turn.scheduled',
    ]);
  });

  test('what a webhook does not want is not noted for it, nor what happens in chats of other channels', async () => {
    const wanted = await withWebhook(['turn.failed']);
    await wanted.fixture.say('plain');
    await wanted.fixture.step(wanted.told);
    expect(await wanted.lines()).toEqual([]);
    const other = await withWebhook(WEBHOOK_EVENTS, 'another');
    await other.fixture.say('plain');
    await other.fixture.step(other.told);
    expect(await other.lines()).toEqual([]);
  });
});
