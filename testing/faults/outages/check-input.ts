// What the checks of a run with outages look at, besides what ../check.ts does.
import type { FakeBot } from '../../telegram/fake-bot.ts';
import type { Outcome } from '../check-input.ts';
import type { HistoryLine } from '../injected-faults.ts';
import type { OutagePlan } from './plan.ts';

export interface OutageCheck {
  readonly plan: OutagePlan;
  readonly startMs: number;
  readonly history: readonly HistoryLine[];
  readonly bot: FakeBot;
  readonly outcomes: readonly Outcome[];
  readonly store: 'local' | 'aws';
}
