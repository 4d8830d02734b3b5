// What models cost, for figures and budgets. An estimate by list prices, not a bill: discounts, taxes and prices of
// resellers are unknown here. An owner's own table (`ModelPrices`) comes first.
import { z } from 'zod';
import type { MeteredUsage } from './usage-meter.ts';

const dollars = z.number().nonnegative();

/** US dollars for a million tokens. */
const ratesSchema = z.strictObject({
  input: dollars,
  output: dollars,
  cacheRead: dollars,
  /** For five minutes; for an hour it is 1.6 times that. */
  cacheWrite: dollars,
});

const priceSchema = ratesSchema.extend({
  /** How much more fast mode costs. */
  fast: z.number().positive().optional(),
  /** Of all tokens of a request whose prompt is longer. */
  longPrompt: ratesSchema.extend({ aboveTokens: z.int().positive() }).optional(),
});

export const pricesSchema = z.record(z.string().min(1), priceSchema);

export type ModelPrice = Readonly<z.infer<typeof priceSchema>>;

/** By the beginning of a model's name without what Bedrock puts before it; the longest that fits is taken. */
export type ModelPrices = Readonly<Record<string, ModelPrice>>;

export const PRICES_AS_OF = '2026-10-24';
export const PRICES_FROM = 'https://platform.claude.com/docs/en/about-claude/pricing';

const price = (input: number, output: number, readShare = 0.1): ModelPrice => ({
  input,
  output,
  cacheRead: rounded(input * readShare),
  cacheWrite: rounded(input * 1.25),
});

export const LIST_PRICES: ModelPrices = {
  'claude-fable-5-1': price(10, 50, 0.025),
  'claude-mythos-5-1': price(10, 50, 0.025),
  'claude-fable-5': price(10, 50),
  'claude-mythos-5': price(10, 50),
  'claude-opus-5-5': { ...price(4, 20, 0.05), fast: 2 },
  'claude-opus-5': { ...price(5, 25), fast: 6 },
  'claude-opus-4-8': { ...price(5, 25), fast: 6 },
  'claude-opus-4-7': { ...price(5, 25), fast: 6 },
  'claude-opus-4-6': { ...price(5, 25), fast: 6 },
  'claude-opus-4-5': price(5, 25),
  'claude-opus-4': price(15, 75),
  'claude-3-opus': price(15, 75),
  'claude-sonnet-5-5': price(2, 10, 0.05),
  'claude-sonnet-5': price(2, 10),
  'claude-sonnet-4': price(3, 15),
  'claude-3-7-sonnet': price(3, 15),
  'claude-3-5-sonnet': price(3, 15),
  'claude-haiku-5-5': { ...price(0.1, 0.5), longPrompt: { aboveTokens: 100_000, ...price(0.5, 2.5) } },
  'claude-haiku-4-5': price(1, 5),
  'claude-3-5-haiku': price(0.8, 4),
  'claude-3-haiku': price(0.25, 1.25),
};

const HOUR_WRITE = 1.6;
const US_ONLY = 1.1;
const NANO_PER_SEARCH = 10_000_000;

/** Finds a price; null for a model that no table knows. */
export type PriceList = (model: string) => ModelPrice | null;

export function createPriceList(own: ModelPrices = {}): PriceList {
  const find = (prices: ModelPrices, name: string): ModelPrice | null => {
    const fitting = Object.keys(prices).filter((known) => name === known || name.startsWith(`${known}-`));
    const best = fitting.sort((a, b) => b.length - a.length)[0];
    return best === undefined ? null : (prices[best] ?? null);
  };
  return (model) => {
    const name = plainName(model);
    return find(own, model) ?? find(own, name) ?? find(LIST_PRICES, name);
  };
}

/** `us.anthropic.claude-haiku-4-5-20251001-v1:0` and ARNs of such, as the API names them. */
function plainName(model: string): string {
  const short = /claude-[a-z0-9-]+/.exec(model.toLowerCase())?.[0] ?? model;
  return short.replace(/-v\d+$/, '');
}

/** Billionths of a dollar; a millionth part of a dollar for a million tokens is a thousand of them for one. */
export function costNanoUsd(usage: MeteredUsage, list: ModelPrice): number {
  const { inputTokens, cacheReadTokens, cacheWriteTokens, cacheWriteHourTokens } = usage;
  const prompt = inputTokens + cacheReadTokens + cacheWriteTokens + cacheWriteHourTokens;
  const of = list.longPrompt && prompt > list.longPrompt.aboveTokens ? list.longPrompt : list;
  const tokens =
    inputTokens * of.input +
    usage.outputTokens * of.output +
    cacheReadTokens * of.cacheRead +
    cacheWriteTokens * of.cacheWrite +
    cacheWriteHourTokens * of.cacheWrite * HOUR_WRITE;
  const more = (usage.isFast ? (list.fast ?? 1) : 1) * (usage.isUsOnly ? US_ONLY : 1);
  return Math.round(tokens * 1_000 * more) + usage.webSearches * NANO_PER_SEARCH;
}

function rounded(dollars: number): number {
  return Math.round(dollars * 1e6) / 1e6;
}
