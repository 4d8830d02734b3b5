// Why a live agent could not go on, or did not stay: words for metrics. docs/performance.md explains them to people.
import { ENDS } from '../agent/cli-ends.ts';

/** As its host sees it. */
export const WHY_COLD = [...ENDS, 'files'] as const;
export type WhyCold = (typeof WHY_COLD)[number];

/** As the worker sees it, too. */
export const WHY_EVICTED = [
  ...WHY_COLD,
  'head',
  'other-session',
  'agent-folder',
  'tenant',
  'idle',
  'count',
  'closed',
] as const;
export type WhyEvicted = (typeof WHY_EVICTED)[number];
