// Messages to webhooks over a real HTTP receiver: signatures, tries, the log, and addresses that nothing is sent to.
import type { LookupFunction } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type TurnId, tenantId, turnIdOf } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import type { WebhookStore } from '../../src/core/ports.ts';
import type { TurnRecord } from '../../src/core/records.ts';
import {
  type DeliveryId,
  deliveryOf,
  replayed,
  type Webhook,
  type WebhookDelivery,
  withNewSecret,
} from '../../src/core/webhooks.ts';
import { createMemoryWebhooks } from '../../src/stores/memory/index.ts';
import { createPostMessage, signedHeaders } from '../../src/webhooks/post-message.ts';
import { runDeliveries } from '../../src/webhooks/run-deliveries.ts';
import { createDeliverySender } from '../../src/webhooks/send-delivery.ts';
import { webhookAddresses } from '../../src/webhooks/webhook-address.ts';
import { createManualClock, type ManualClock } from '../../testing/clock.ts';
import { webhookOf } from '../../testing/contracts/webhooks.ts';
import { until } from '../waiting.ts';
import { isSignedWith, type Receiver, startReceiver } from './receiver.ts';

const HOUR_MS = 3_600_000;
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

let receiver: Receiver;
let clock: ManualClock;
let webhooks: WebhookStore;
let webhook: Webhook;
const turns = new Map<TurnId, TurnRecord>();

beforeEach(async () => {
  receiver = await startReceiver();
  clock = createManualClock();
  webhooks = createMemoryWebhooks({ clock });
  webhook = { ...webhookOf(clock.now()), url: receiver.url };
  await webhooks.add(webhook);
  turns.clear();
});
afterEach(() => receiver.close());

function turnOf(name: string): TurnRecord {
  const sessionKey = 'acme/http/local/c/-' as TurnRecord['sessionKey'];
  const turn: TurnRecord = {
    ...{ turnId: turnIdOf(sessionKey, name), sessionKey, tenant: tenantId('acme'), kind: 'message' },
    ...{ dedupeId: name, text: name, status: 'delivered', attempts: 1, stopRequested: false, sequence: 1 },
    ...{ sessionId: null, generation: 1, anchor: null, timeline: null, expiresAtSec: 0 },
    ...{ receivedAtMs: clock.now(), updatedAtMs: clock.now() },
    reply: { text: `answer to ${name}`, outcome: 'ok', fixedAtMs: clock.now() },
  };
  turns.set(turn.turnId, turn);
  return turn;
}

async function told(name = 'm', to = webhook): Promise<WebhookDelivery> {
  const delivery = deliveryOf(to, turnOf(name), clock.now());
  await webhooks.enqueue(delivery);
  return delivery;
}

function senderOf(store: WebhookStore = webhooks) {
  return createDeliverySender({
    webhooks: store,
    store: { getTurn: async (_, id) => turns.get(id) ?? null },
    post: createPostMessage({ privateAddresses: ['127.0.0.1'], clock }),
    clock,
    log: silentLog,
  });
}

/** One try; the time until the next, null when there is none. */
async function tryOnce(delivery: WebhookDelivery): Promise<number | null> {
  const sender = senderOf();
  const claim = await sender.claim(delivery);
  if (!('claimed' in claim)) throw new Error('It was not due.');
  const dueMs = await sender.send(claim.claimed);
  return dueMs === null ? null : dueMs - clock.now();
}

const line = async ({ id }: WebhookDelivery) => await webhooks.delivery(webhook.tenant, webhook.id, id);

describe('signatures', () => {
  test('are those of the published example of Standard Webhooks', () => {
    const id = 'msg_p5jXN8AQM9LWM0D4loKWxJek' as DeliveryId;
    const body = '{"test": 2432232314}';
    expect(signedHeaders({ id, body, secrets: [SECRET] }, 1_614_265_330_000)).toEqual({
      'webhook-id': id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  test('are made with the old and the new secret for a day, then with the new one alone', async () => {
    const next = 'whsec_bmV3IHNlY3JldCBvZiB0aGlzIHRlc3Q=';
    await webhooks.set(withNewSecret(webhook, next, clock.now()));
    await tryOnce(await told('one'));
    await clock.advance(24 * HOUR_MS);
    await tryOnce(await told('two'));
    const [first, second] = receiver.received;
    expect([isSignedWith(SECRET, first!), isSignedWith(next, first!)]).toEqual([true, true]);
    expect([isSignedWith(SECRET, second!), isSignedWith(next, second!)]).toEqual([false, true]);
  });
});

describe('tries', () => {
  test('a message that is taken is sent once, says how the turn ended, and is logged', async () => {
    const delivery = await told();
    expect(await tryOnce(delivery)).toBeNull();
    expect(receiver.received).toHaveLength(1);
    const [one] = receiver.received;
    expect(isSignedWith(SECRET, one!)).toBe(true);
    expect(JSON.parse(one!.body)).toEqual({
      type: 'turn.final',
      timestamp: new Date(clock.now()).toISOString(),
      data: {
        ...{
          turn_id: delivery.turnId,
          session_id: null,
          generation: 1,
          chat: 'c',
          user: null,
          kind: 'message',
        },
        received_at: new Date(clock.now()).toISOString(),
        reply: { text: 'answer to m', outcome: 'ok' },
      },
    });
    expect(await line(delivery)).toMatchObject({
      ...{ status: 'delivered', attempts: 1, dueMs: null },
      tries: [{ status: 204, fault: null }],
    });
    expect(await senderOf().claim(delivery)).toEqual({ dueMs: null });
  });

  test('what is refused comes again with the same id and the same words, after longer and longer waits, for three days', async () => {
    receiver.answer = () => ({ status: 503 });
    const delivery = await told();
    const waits: number[] = [];
    for (let wait = await tryOnce(delivery); wait !== null; wait = await tryOnce(delivery)) {
      waits.push(wait);
      await clock.advance(wait);
    }
    expect(waits.slice(0, 3).map((ms) => Math.ceil(ms / 5_000))).toEqual([1, 2, 4]);
    expect(Math.max(...waits)).toBeLessThanOrEqual(4 * HOUR_MS);
    expect(waits.reduce((sum, ms) => sum + ms)).toBeGreaterThanOrEqual(72 * HOUR_MS);
    expect(new Set(receiver.received.map(({ id }) => id))).toEqual(new Set([delivery.id]));
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    const failed = await line(delivery);
    expect(failed).toMatchObject({ status: 'failed', attempts: waits.length + 1, dueMs: null });
    expect(failed?.tries).toHaveLength(10);
    expect(failed?.tries.at(-1)).toMatchObject({ status: 503, fault: 'It answered 503.' });

    receiver.answer = () => ({ status: 200 });
    await webhooks.update(replayed(failed!, clock.now()));
    expect(await tryOnce(delivery)).toBeNull();
    expect(await line(delivery)).toMatchObject({ status: 'delivered', replays: 1, attempts: 1 });
    expect(receiver.received.at(-1)?.body).toBe(receiver.received[0]?.body);
  });

  test.each([
    [
      'a time that the other side names is kept',
      { status: 429, headers: { 'retry-after': '7200' } },
      2 * HOUR_MS,
    ],
    [
      'a redirect is no way to another address',
      { status: 307, headers: { location: 'http://127.0.0.1:1/' } },
      5_000,
    ],
    ['what is gone is not asked again', { status: 410 }, null],
  ])('%s', async (_, answer, waitMs) => {
    receiver.answer = () => answer;
    const delivery = await told();
    const wait = await tryOnce(delivery);
    if (waitMs === null) expect(wait).toBeNull();
    else expect(wait).toBeGreaterThan(waitMs * 0.89);
    expect(await line(delivery)).toMatchObject({ status: waitMs === null ? 'failed' : 'pending' });
    expect(receiver.received).toHaveLength(1);
  });

  test('of a turn that was erased nothing is sent any more', async () => {
    const delivery = await told();
    turns.clear();
    expect(await tryOnce(delivery)).toBeNull();
    expect(receiver.received).toEqual([]);
    expect(await line(delivery)).toMatchObject({ status: 'dropped' });
  });

  test('of two senders one sends; what a dead one had taken is sent again after a minute', async () => {
    const delivery = await told();
    const claims = await Promise.all([senderOf().claim(delivery), senderOf().claim(delivery)]);
    expect(claims.filter((claim) => 'claimed' in claim)).toHaveLength(1);
    // The one that took it dies here.
    expect(await senderOf().claim(delivery)).toEqual({ dueMs: clock.now() + 60_000 });
    await clock.advance(60_000);
    expect(await tryOnce(delivery)).toBeNull();
    expect(receiver.received.map(({ id }) => id)).toEqual([delivery.id]);
  });

  test('what nobody answers to is logged as that, and no address of this network with it', async () => {
    const closed = await startReceiver();
    await closed.close();
    const other = { ...webhookOf(clock.now()), url: closed.url };
    await webhooks.add(other);
    const delivery = await told('m', other);
    await tryOnce(delivery);
    const found = await webhooks.delivery(other.tenant, other.id, delivery.id);
    expect(found?.tries).toEqual([
      expect.objectContaining({ status: null, fault: 'It could not be reached (ECONNREFUSED).' }),
    ]);
  });
});

describe('the clock of one machine', () => {
  async function running(work: () => Promise<unknown>): Promise<void> {
    const stopping = new AbortController();
    const { due } = webhooks;
    const done = runDeliveries({ sender: senderOf(), due: due!, clock, log: silentLog }, stopping.signal);
    try {
      await work();
    } finally {
      stopping.abort();
      await done;
    }
  }

  test('sends what is told, at once and in time; an address that hangs keeps no other waiting', async () => {
    const free = Promise.withResolvers<{ status: number }>();
    const quick = await startReceiver();
    const other = { ...webhookOf(clock.now()), url: quick.url };
    await webhooks.add(other);
    receiver.answer = () => free.promise;
    await running(async () => {
      for (let at = 0; at < 30; at++) await told(`slow ${at}`);
      await until(() => receiver.received.length === 4);
      for (let at = 0; at < 10; at++) await told(`quick ${at}`, other);
      await until(() => quick.received.length === 10);
      expect(receiver.received).toHaveLength(4);
      free.resolve({ status: 200 });
      await until(() => receiver.received.length === 30);
      await until(async () =>
        (await webhooks.log(webhook.tenant, webhook.id)).items.every((one) => one.status === 'delivered'),
      );
    });
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(30);
    await quick.close();
  });

  test('what is on its way when it ends is given back, and sent at the next start', async () => {
    const delivery = await told();
    receiver.answer = () => new Promise(() => {});
    await running(async () => await until(() => receiver.received.length === 1));
    expect(await line(delivery)).toMatchObject({
      status: 'pending',
      attempts: 0,
      dueMs: clock.now(),
      tries: [],
    });
    receiver.answer = () => ({ status: 204 });
    await running(async () => await until(async () => (await line(delivery))?.status === 'delivered'));
    expect(receiver.received.map(({ id }) => id)).toEqual([delivery.id, delivery.id]);
  });
});

describe('addresses', () => {
  const NOT_PUBLIC = 'This address is not on the internet, and the installation does not allow it.';
  const NO_TLS = 'Only https addresses are sent to.';

  test.each([
    ['https://example.com/hook', null],
    ['https://93.184.215.14/hook', null],
    ['http://example.com/hook', NO_TLS],
    ['ftp://example.com/hook', NO_TLS],
    ['http://93.184.215.14/hook', NO_TLS],
    ['https://127.0.0.1/', NOT_PUBLIC],
    ['https://2130706433/', NOT_PUBLIC],
    ['https://0x7f.1/', NOT_PUBLIC],
    ['https://169.254.169.254/latest/meta-data/', NOT_PUBLIC],
    ['https://10.0.0.8/', NOT_PUBLIC],
    ['https://[::1]/', NOT_PUBLIC],
    ['https://[::ffff:169.254.169.254]/', NOT_PUBLIC],
    ['https://[fd00:ec2::254]/', NOT_PUBLIC],
    ['https://user:secret@example.com/', 'An address with a name or password in it is not used.'],
  ])('%s', (url, fault) => {
    expect(webhookAddresses([]).faultOf(new URL(url))).toBe(fault);
  });

  test('what the installation lists may be sent to, without TLS, too, and nothing beside it', () => {
    const { faultOf } = webhookAddresses(['10.1.0.0/16', '::1']);
    for (const url of [
      'http://10.1.2.3:8080/',
      'https://10.1.2.3/',
      'http://[::1]/',
      'http://inside.example/',
    ]) {
      expect(faultOf(new URL(url)), url).toBeNull();
    }
    for (const url of ['https://10.2.0.1/', 'http://127.0.0.1/'])
      expect(faultOf(new URL(url)), url).toBe(NOT_PUBLIC);
  });

  /** A name that means whatever the test says. */
  const means =
    (...answers: readonly (readonly string[])[]): LookupFunction =>
    (_name, options, callback) => {
      const all = (answers[Math.min(asked++, answers.length - 1)] ?? []).map((address) => ({
        address,
        family: address.includes(':') ? 6 : 4,
      }));
      if (options.all) callback(null, all);
      else callback(null, all[0]!.address, all[0]!.family);
    };
  let asked = 0;
  const posting = async (url: string, lookup: LookupFunction, privateAddresses: readonly string[] = []) => {
    asked = 0;
    const post = createPostMessage({ privateAddresses, clock, lookup });
    return await post({ url, id: 'msg_1' as DeliveryId, body: '{}', secrets: [SECRET] });
  };
  const address = () => `inside.example:${new URL(receiver.url).port}`;

  test('a name is as good as the addresses it means when it is connected to', async () => {
    for (const inside of ['127.0.0.1', '169.254.169.254', '::1', '10.0.0.8']) {
      expect(await posting(`https://${address()}/`, means([inside]))).toMatchObject({ fault: NOT_PUBLIC });
    }
    // A name that means another address the second time gains nothing: it is asked once.
    expect(
      await posting(`http://${address()}/`, means(['127.0.0.1'], ['10.0.0.8']), ['127.0.0.1']),
    ).toMatchObject({
      status: 204,
    });
    expect(asked).toBe(1);
    // Without TLS only what is listed, whatever else the name means.
    expect(await posting(`http://${address()}/`, means(['93.184.215.14']), ['10.1.0.0/16'])).toMatchObject({
      fault: NOT_PUBLIC,
    });
    expect(receiver.received).toHaveLength(1);
  });
});
