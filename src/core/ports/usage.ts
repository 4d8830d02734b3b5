// What model calls have used, counted. The model gateway is the only writer: no figure comes from an agent's side.
import type { Tenant } from '../ids.ts';

/** Whole numbers only, so that sums are exact in any store and any order. */
export interface UsageTotals {
  /** Answers of the model. */
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  /** Billionths of a US dollar, by the gateway's price table. */
  readonly costNanoUsd: number;
}

/** Whose usage it is. `id`: the session key of a chat, the speaker's id on its channel, a turn's id; '' for the tenant. */
export interface UsageAccount {
  readonly tenant: Tenant;
  readonly scope: 'tenant' | 'chat' | 'speaker' | 'turn';
  readonly id: string;
}

/** One number of an account: all of a UTC day (`2026-11-26`), of a UTC month (`2026-11`), or all there is (''). */
export interface UsageCounter extends UsageAccount {
  readonly period: 'day' | 'month' | 'whole';
  readonly start: string;
}

/** Counters that many workers add to at once. */
export interface UsageLedger {
  /** Adds to each counter, atomically for each. What it was asked to add and has answered for is never lost by another's add. */
  add(counters: readonly UsageCounter[], usage: UsageTotals): Promise<void>;
  /** In the order asked for; zeros where nothing was counted. Sees every add that has been answered. */
  read(counters: readonly UsageCounter[]): Promise<readonly UsageTotals[]>;
  /** Everything counted for an account: months, then days, each the newest first. */
  history(account: UsageAccount): Promise<readonly (UsageCounter & { readonly usage: UsageTotals })[]>;
  /** Forgets an account. The tenant's own figures and other accounts' stay. */
  erase(account: UsageAccount): Promise<void>;
  close(): Promise<void>;
}
