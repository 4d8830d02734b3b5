// Budgets: spent ones refuse before anything goes out, in words a person can read; many calls at once do not overdraw
// them; what a ledger cannot take down now is taken down later.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Refused } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/log.ts';
import type { UsageLedger } from '../../src/core/ports/usage.ts';
import { countersOf, NO_USAGE } from '../../src/core/usage-counters.ts';
import type { Budgets } from '../../src/gateway/budgets.ts';
import type { ModelGatewayOptions } from '../../src/gateway/model-gateway.ts';
import { createUsageBook } from '../../src/gateway/usage-book.ts';
import { createMemoryUsageLedger } from '../../src/stores/memory/usage-ledger.ts';
import { createManualClock } from '../../testing/clock.ts';
import { createScriptedModel } from '../../testing/model/scripted-model.ts';
import { say } from '../agent/turn-fixture.ts';
import { closing, grantOf, messageBody, openGateway, post } from './fixture.ts';

/** A tenth of a dollar for each call, whose request is as long as that many tokens. */
const usage = { inputTokens: 1_000, outputTokens: 0 };
const prices = { m: { input: 100, output: 0, cacheRead: 0, cacheWrite: 0 } };

async function setUp(over: Partial<ModelGatewayOptions> = {}, pauseMs = 0) {
  const model = closing(
    await createScriptedModel(async () => {
      await sleep(pauseMs);
      return { ...say('hi'), usage };
    }),
  );
  const ledger = createMemoryUsageLedger(over.clock ? { clock: over.clock } : {});
  const gateway = await openGateway({ upstream: { baseUrl: model.url }, prices, usage: ledger, ...over });
  const ask = async (turn: ReturnType<typeof gateway.openTurn>) => {
    const answer = await post(turn, { body: messageBody({ system: 'x'.repeat(2_910) }) });
    const body = (await answer.json()) as { readonly error?: { readonly message: string } };
    return { status: answer.status, headers: answer.headers, message: body.error?.message ?? '' };
  };
  return { model, ledger, gateway, ask };
}

test('counts tokens and money for the turn, the chat, the speaker and the tenant, each by day and month', async () => {
  const { gateway, ledger, ask } = await setUp();
  const grant = grantOf({ speaker: 'ann' });
  const turn = gateway.openTurn(grant);
  await ask(turn);
  await ask(turn);
  await turn.close();
  const expected = { ...NO_USAGE, calls: 2, inputTokens: 2_000, costNanoUsd: 200_000_000 };
  expect(turn.usage()).toMatchObject({ calls: 2, inputTokens: 2_000, costNanoUsd: 200_000_000 });
  const counters = countersOf(grant, Date.now());
  expect(counters).toHaveLength(7);
  for (const totals of await ledger.read(counters)) {
    expect({ ...totals, outputTokens: 0 }).toEqual(expected);
  }
});

describe('a budget that is used up', () => {
  const day = /for today \(\$0\.15\).*anew at midnight UTC/;
  test.each<[string, Budgets, RegExp, { readonly inOther: number }]>([
    ['of the turn', { turn: { usd: 0.15 } }, /one turn may use \(\$0\.15\).*write again/, { inOther: 200 }],
    ['of the chat', { chat: { day: { usd: 0.15 } } }, day, { inOther: 402 }],
    ['of the speaker', { speaker: { day: { usd: 0.15 } } }, /^Your budget for today/, { inOther: 402 }],
    [
      'of the tenant',
      { tenant: { month: { usd: 0.15 } } },
      /this month.* on 1 [A-Z]\w+ \(UTC\)/,
      { inOther: 402 },
    ],
    ['in tokens', { chat: { day: { tokens: 1_500 } } }, /1,500 tokens/, { inOther: 402 }],
  ])('%s refuses before the request goes out, for good', async (_name, budgets, words, { inOther }) => {
    const { gateway, model, ask } = await setUp();
    const turn = gateway.openTurn(grantOf({ budgets, speaker: 'ann' }));
    expect([(await ask(turn)).status, (await ask(turn)).status]).toEqual([200, 200]);
    const refused = await ask(turn);
    expect(refused.status).toBe(402);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(refused.message).toMatch(words);
    expect(model.requests).toHaveLength(2);
    expect(turn.failure()).toMatchObject({ status: 402, told: refused.message });
    const other = gateway.openTurn(grantOf({ budgets, speaker: 'ann' }));
    expect((await ask(other)).status).toBe(inOther);
  });

  test('stands for a new gateway over the same ledger, and is whole again the next day', async () => {
    const clock = createManualClock(Date.UTC(2026, 10, 30, 23, 59));
    const budgets: Budgets = { chat: { day: { usd: 0.05 } }, tenant: { month: { usd: 0.15 } } };
    const first = await setUp({ clock });
    const turn = first.gateway.openTurn(grantOf({ budgets }));
    await first.ask(turn);
    await turn.close();
    const { gateway, ask } = await setUp({ clock, usage: first.ledger });
    expect((await ask(gateway.openTurn(grantOf({ budgets })))).message).toMatch(/this chat for today/);
    await clock.advance(61_000);
    expect((await ask(gateway.openTurn(grantOf({ budgets })))).status).toBe(200);
  });
});

test('nothing is allowed where nothing may be spent', async () => {
  const { gateway, model, ask } = await setUp();
  expect((await ask(gateway.openTurn(grantOf({ budgets: { chat: { day: { usd: 0 } } } })))).status).toBe(402);
  expect(model.requests).toEqual([]);
});

test('a model without a price keeps to a budget in tokens, and is refused under one in dollars', async () => {
  const { gateway, ask } = await setUp({ prices: {} });
  const tokens = gateway.openTurn(grantOf({ budgets: { turn: { tokens: 10 } } }));
  expect((await ask(tokens)).status).toBe(200);
  const dollars = await ask(gateway.openTurn(grantOf({ budgets: { turn: { usd: 10 } } })));
  expect([dollars.status, dollars.message]).toEqual([
    402,
    expect.stringContaining('What the model "m" costs'),
  ]);
});

test('counting tokens and the demo model cost nothing', async () => {
  const budgets = { turn: { usd: 0.15, tokens: 10 } };
  const { gateway } = await setUp();
  const turn = gateway.openTurn(grantOf({ budgets }));
  expect((await post(turn, { path: '/v1/messages/count_tokens' })).status).toBe(200);
  expect(turn.usage()).toEqual(NO_USAGE);
  const { model } = await setUp();
  const demo = await openGateway({ upstream: { baseUrl: model.url, isDemo: true }, prices });
  const free = demo.openTurn(grantOf({ budgets, models: [] }));
  for (let i = 0; i < 3; i++) expect((await post(free)).status).toBe(200);
  await free.close();
  expect(free.usage()).toMatchObject({ calls: 3, costNanoUsd: 0 });
});

describe('many calls at once', () => {
  test.each<[string, Budgets]>([
    ['a turn', { turn: { usd: 0.5 } }],
    ['a tenant', { tenant: { day: { usd: 0.5 } } }],
    ['a chat, in tokens', { chat: { day: { tokens: 5_000 } } }],
  ])('overdraw the budget of %s by no more than one of them', async (_name, budgets) => {
    const { gateway, model, ask } = await setUp({}, 5);
    const turns = Array.from({ length: 6 }, () => gateway.openTurn(grantOf({ budgets })));
    const asking = turns.flatMap((turn) =>
      Array.from({ length: 5 }, () => ask('turn' in budgets ? turns[0]! : turn)),
    );
    const statuses = (await Promise.all(asking)).map(({ status }) => status);
    const sent = statuses.filter((status) => status === 200).length;
    expect(statuses.filter((status) => status === 402)).toHaveLength(30 - sent);
    expect(sent).toBe(model.requests.length);
    expect(sent).toBeGreaterThanOrEqual(5);
    expect(sent).toBeLessThanOrEqual(6);
  });

  test('one that may be large holds the others up, and they go on when it turns out small', async () => {
    const { gateway, model } = await setUp({ prices: { m: { ...prices.m, output: 100 } } }, 20);
    const turn = gateway.openTurn(grantOf({ budgets: { turn: { usd: 2 } } }));
    const large = messageBody({ max_tokens: 30_000 });
    const statuses = await Promise.all([1, 2, 3].map(async () => (await post(turn, { body: large })).status));
    expect(statuses).toEqual([200, 200, 200]);
    expect(model.requests).toHaveLength(3);
  });

  test('a call that waits ends with its turn', async () => {
    const { gateway, model } = await setUp({ prices: { m: { ...prices.m, output: 1_000 } } });
    model.respondWith(() => ({ fault: 'hang' }));
    const turn = gateway.openTurn(grantOf({ budgets: { turn: { usd: 1 } } }));
    const large = messageBody({ max_tokens: 30_000 });
    const calls = [1, 2].map(() =>
      post(turn, { body: large }).then(
        () => 'answered',
        () => 'ended',
      ),
    );
    await expect.poll(() => model.requests.length).toBe(1);
    await turn.close();
    expect(await Promise.all(calls)).toEqual(['ended', 'ended']);
    expect(model.requests).toHaveLength(1);
  });
});

describe('a ledger that is away', () => {
  const away = new Refused('store-unreachable', 'away');

  test('holds calls back where a budget rests on it, and only there', async () => {
    const broken: UsageLedger = {
      ...createMemoryUsageLedger(),
      add: () => Promise.reject(away),
      read: () => Promise.reject(away),
    };
    const { gateway, model, ask } = await setUp({ usage: broken });
    const bound = gateway.openTurn(grantOf({ budgets: { turn: { usd: 1 } } }));
    expect([(await ask(bound)).status, bound.failure()?.status]).toEqual([503, 503]);
    expect(model.requests).toEqual([]);
    expect((await ask(gateway.openTurn(grantOf()))).status).toBe(200);
  });

  test('gets later what it could not take, once', async () => {
    const ledger = createMemoryUsageLedger();
    let isAway = true;
    const flaky: UsageLedger = {
      ...ledger,
      add: async (...input) => {
        if (isAway) throw away;
        await ledger.add(...input);
      },
    };
    const book = createUsageBook({ ledger: flaky, clock: createManualClock(), log: silentLog });
    const counters = countersOf(grantOf(), 0);
    book.add(counters, { ...NO_USAGE, calls: 1 });
    book.add(counters, { ...NO_USAGE, calls: 2 });
    await book.written();
    expect((await book.read(counters)).map(({ calls }) => calls)).toEqual(counters.map(() => 3));
    isAway = false;
    await book.written();
    await book.written();
    expect((await ledger.read(counters)).map(({ calls }) => calls)).toEqual(counters.map(() => 3));
  });
});
