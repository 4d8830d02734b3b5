// Money for tokens. Each expected figure was reckoned by hand from the published table.
import { expect, test } from 'vitest';
import { costNanoUsd, createPriceList, PRICES_AS_OF, PRICES_FROM } from '../../src/gateway/prices.ts';
import type { MeteredUsage } from '../../src/gateway/usage-meter.ts';

const nothing: MeteredUsage = {
  model: null,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  cacheWriteHourTokens: 0,
  webSearches: 0,
  isFast: false,
  isUsOnly: false,
};
const MILLION = 1_000_000;
const everyKind = {
  inputTokens: MILLION,
  outputTokens: MILLION,
  cacheReadTokens: MILLION,
  cacheWriteTokens: MILLION,
  cacheWriteHourTokens: MILLION,
};

test.each<[string, Partial<MeteredUsage>, number]>([
  ['claude-sonnet-4-5', { inputTokens: MILLION }, 3],
  ['claude-sonnet-5', everyKind, 2 + 10 + 0.2 + 2.5 + 4],
  ['claude-sonnet-5-5', { cacheReadTokens: MILLION }, 0.1],
  ['claude-opus-5-5', everyKind, 4 + 20 + 0.2 + 5 + 8],
  ['claude-opus-5-5', { outputTokens: MILLION, isFast: true }, 40],
  ['claude-opus-4-1-20250805', { outputTokens: MILLION }, 75],
  ['claude-fable-5-1', { cacheReadTokens: MILLION }, 0.25],
  ['claude-haiku-4-5-20251001', { inputTokens: 1_000, outputTokens: 100 }, 0.0015],
  ['claude-haiku-5-5', { inputTokens: 100_000 }, 0.01],
  ['claude-haiku-5-5', { inputTokens: 100_001, outputTokens: 1_000 }, 0.0500005 + 0.0025],
  ['us.anthropic.claude-haiku-4-5-20251001-v1:0', { inputTokens: MILLION }, 1],
  ['claude-sonnet-5', { inputTokens: MILLION, isUsOnly: true }, 2.2],
  ['claude-sonnet-5', { webSearches: 3 }, 0.03],
])('%s, %j: $%d', (model, used, dollars) => {
  const price = createPriceList()(model);
  expect(costNanoUsd({ ...nothing, ...used }, price!)).toBe(Math.round(dollars * 1e9));
});

test('a model that no table knows has no price; an owner can name one, and overrule the table', () => {
  const local = { input: 1, output: 2, cacheRead: 0, cacheWrite: 0 };
  expect(createPriceList()('llama')).toBeNull();
  expect(createPriceList()('claude-opus-6')).toBeNull();
  const own = createPriceList({ llama: local, 'claude-sonnet-5': local });
  expect([own('llama'), own('claude-sonnet-5-20260801'), own('claude-haiku-4-5')?.input]).toEqual([
    local,
    local,
    1,
  ]);
});

test('the table says from when and from where it is', () => {
  expect(Number.isNaN(Date.parse(PRICES_AS_OF))).toBe(false);
  expect(new URL(PRICES_FROM).protocol).toBe('https:');
});
