// How much may be spent, by whom and in what time, and the words for a person whose budget is spent.
import { z } from 'zod';
import type { UsageCounter, UsageTotals } from '../core/ports/usage.ts';
import { countersOf, tokensOf, type UsageParties } from '../core/usage-counters.ts';

const allowanceSchema = z.strictObject({
  /** US dollars, by the gateway's price table. */
  usd: z.number().nonnegative().optional(),
  /** Of every kind: input, output, cache reads and writes. */
  tokens: z.int().nonnegative().optional(),
});
const periodsSchema = z.strictObject({ day: allowanceSchema.optional(), month: allowanceSchema.optional() });

export const budgetsSchema = z.strictObject({
  turn: allowanceSchema.optional(),
  /** Everything said in one chat. */
  chat: periodsSchema.optional(),
  /** Everything one person asked for, in all chats of a channel. */
  speaker: periodsSchema.optional(),
  /** All chats of a tenant together. */
  tenant: periodsSchema.optional(),
});

/** Both may be set; the first that is reached counts. */
export type Allowance = Readonly<z.infer<typeof allowanceSchema>>;
export type Budgets = Readonly<z.infer<typeof budgetsSchema>>;

/** An allowance and the counter that fills it. */
export interface Limit {
  readonly counter: UsageCounter;
  readonly allowance: Allowance;
}

export function limitsOf(budgets: Budgets, parties: UsageParties, nowMs: number): readonly Limit[] {
  return countersOf(parties, nowMs).flatMap((counter) => {
    const allowance =
      counter.scope === 'turn' || counter.period === 'whole'
        ? budgets.turn
        : budgets[counter.scope]?.[counter.period];
    return allowance ? [{ counter, allowance }] : [];
  });
}

const NANO = 1e9;

/** `more`: what is under way besides. */
export function isReached({ allowance }: Limit, spent: UsageTotals, more: Cost = NOTHING): boolean {
  const { usd, tokens } = allowance;
  return (
    (usd !== undefined && spent.costNanoUsd + more.nanoUsd >= usd * NANO) ||
    (tokens !== undefined && tokensOf(spent) + more.tokens >= tokens)
  );
}

/** What a request may come to at most. */
export interface Cost {
  readonly nanoUsd: number;
  readonly tokens: number;
}

export const NOTHING: Cost = { nanoUsd: 0, tokens: 0 };

export function spentText({ counter, allowance }: Limit): string {
  const amounts = [
    ...(allowance.usd === undefined ? [] : [dollars(allowance.usd)]),
    ...(allowance.tokens === undefined ? [] : [`${allowance.tokens.toLocaleString('en-US')} tokens`]),
  ].join(' or ');
  if (counter.period === 'whole') {
    return `This turn has used up what one turn may use (${amounts}). What it did is kept; write again to go on.`;
  }
  const whose = { tenant: 'The budget of this bot', chat: 'The budget of this chat', speaker: 'Your budget' }[
    counter.scope as 'tenant' | 'chat' | 'speaker'
  ];
  const when = counter.period === 'day' ? 'today' : 'this month';
  return `${whose} for ${when} (${amounts}) is used up. It begins anew ${renewal(counter)}.`;
}

function dollars(usd: number): string {
  return `$${usd.toFixed(usd > 0 && usd < 0.01 ? 4 : 2)}`;
}

function renewal({ period, start }: UsageCounter): string {
  if (period === 'day') return 'at midnight UTC';
  const [year = 0, month = 0] = start.split('-').map(Number);
  const next = new Date(Date.UTC(year, month, 1));
  const name = new Intl.DateTimeFormat('en', { month: 'long', timeZone: 'UTC' }).format(next);
  return `on 1 ${name} (UTC)`;
}
