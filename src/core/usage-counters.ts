// Which counters a model call adds to, and sums of what they hold. Days and months are those of UTC.
import type { SessionKey, Tenant, TurnId } from './ids.ts';
import type { UsageAccount, UsageCounter, UsageTotals } from './ports/usage.ts';

export const NO_USAGE: UsageTotals = {
  calls: 0,
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  costNanoUsd: 0,
};

/** On whose account a turn's model calls go. */
export interface UsageParties {
  readonly tenant: Tenant;
  readonly sessionKey: SessionKey;
  readonly turnId: TurnId;
  /** Who wrote the message, as the channel names them. */
  readonly speaker?: string;
}

/** A speaker's id is the channel's own: with the channel in front it cannot be taken for one of another channel. */
export function accountsOf({ tenant, sessionKey, speaker }: UsageParties): readonly UsageAccount[] {
  const channel = sessionKey.split('/')[1] ?? '';
  return [
    { tenant, scope: 'tenant', id: '' },
    { tenant, scope: 'chat', id: sessionKey },
    ...(speaker === undefined ? [] : [{ tenant, scope: 'speaker', id: `${channel}/${speaker}` } as const]),
  ];
}

export function countersOf(parties: UsageParties, nowMs: number): readonly UsageCounter[] {
  const { tenant, turnId } = parties;
  return [
    ...accountsOf(parties).flatMap((account) => [
      { ...account, period: 'day', start: startOf('day', nowMs) } as const,
      { ...account, period: 'month', start: startOf('month', nowMs) } as const,
    ]),
    { tenant, scope: 'turn', id: turnId, period: 'whole', start: '' },
  ];
}

export function startOf(period: 'day' | 'month', nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, period === 'day' ? 10 : 7);
}

export function sumUsage(a: UsageTotals, b: UsageTotals): UsageTotals {
  return {
    calls: a.calls + b.calls,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
    costNanoUsd: a.costNanoUsd + b.costNanoUsd,
  };
}

export function tokensOf(usage: UsageTotals): number {
  return usage.inputTokens + usage.outputTokens + usage.cacheReadTokens + usage.cacheWriteTokens;
}

const DAY_SEC = 86_400;

/** How long a counter is kept from its last add: a turn's for a day, a day's for forty, a month's for four hundred. */
export function keepSec({ period }: Pick<UsageCounter, 'period'>): number {
  return { whole: DAY_SEC, day: 40 * DAY_SEC, month: 400 * DAY_SEC }[period];
}

export function newestFirst(a: UsageCounter, b: UsageCounter): number {
  const rank = { month: 0, day: 1, whole: 2 };
  return rank[a.period] - rank[b.period] || (a.start < b.start ? 1 : a.start > b.start ? -1 : 0);
}
