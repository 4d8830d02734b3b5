// What the infrastructure of turns that really ran cost on AWS, by their timelines. What a timeline does not hold (the
// gateway's calls, where it is a function of its own; the prompts' size) is taken from the typical turn.
import { z } from 'zod';
import type { Timeline } from '../core/timeline.ts';
import type { AwsPrices } from './aws-prices.ts';
import { sum, TYPICAL, turnCost, type Usage } from './turn-cost.ts';

export interface MeasuredTurn {
  /** The agent's function was held for so long; 0 when the turn needed no agent. */
  readonly heldSec: number;
  readonly hot: boolean;
  readonly modelCalls: number;
}

type Timed = Pick<Timeline, 'spans' | 'host'>;

export function measuredTurn({ spans, host }: Timed): MeasuredTurn {
  const of = (...kinds: readonly string[]) => spans.filter(({ kind }) => kinds.includes(kind));
  const held = host ? of('host', 'restore', 'agent', 'checkpoint', 'commit', 'deliver') : [];
  const fromMs = Math.min(...held.map((span) => span.fromMs));
  const toMs = Math.max(...held.map((span) => span.toMs));
  return {
    heldSec: held.length === 0 ? 0 : (toMs - fromMs) / 1_000,
    hot: host?.start === 'hot',
    modelCalls: of('model').length,
  };
}

/** US dollars of one turn in a deployment like this. */
export function measuredTurnUsd(
  turn: MeasuredTurn,
  built: Pick<Usage, 'agents' | 'memoryMb'>,
  prices: AwsPrices,
): number {
  const usage: Usage = {
    ...TYPICAL,
    ...built,
    secondsPerTurn: turn.heldSec,
    // Without an agent nothing is started, either.
    hotRate: turn.hot || turn.heldSec === 0 ? 1 : 0,
    modelCallsPerTurn: turn.modelCalls || (turn.heldSec === 0 ? 0 : TYPICAL.modelCallsPerTurn),
    promptMbPerTurn: turn.heldSec === 0 ? 0 : TYPICAL.promptMbPerTurn,
  };
  // The start of the CLI is in the seconds.
  return sum(turnCost(usage, prices, { startIsInSeconds: true }));
}

/** How an installation is used, by turns that ran there; null without a turn that needed an agent. */
export function measuredUsage(
  turns: readonly MeasuredTurn[],
): Pick<Usage, 'secondsPerTurn' | 'hotRate' | 'modelCallsPerTurn'> | null {
  const ran = turns.filter(({ heldSec }) => heldSec > 0);
  if (ran.length === 0) return null;
  const mean = (of: (turn: MeasuredTurn) => number) =>
    ran.reduce((all, turn) => all + of(turn), 0) / ran.length;
  const calls = mean(({ modelCalls }) => modelCalls);
  return {
    secondsPerTurn: mean(({ heldSec }) => heldSec),
    hotRate: mean(({ hot }) => Number(hot)),
    modelCallsPerTurn: calls === 0 ? TYPICAL.modelCallsPerTurn : calls,
  };
}

const ms = z.number().nonnegative();

/** As `turns show --json` and the HTTP API print one. */
const viewSchema = z.object({
  spans: z.array(z.object({ kind: z.string(), from_ms: ms, to_ms: ms })),
  host: z.object({ start: z.enum(['hot', 'spare', 'new']) }).nullable(),
});

/** The log's line `turn-timeline`: what each kind of span took together. */
const lineSchema = z.object({
  message: z.literal('turn-timeline').optional(),
  event: z.literal('turn-timeline').optional(),
  start: z.enum(['hot', 'spare', 'new']).optional(),
  hostMs: ms.default(0),
  restoreMs: ms.default(0),
  agentMs: ms,
  checkpointMs: ms.default(0),
  commitMs: ms.default(0),
  deliverMs: ms.default(0),
});

/** `turns list --json`. */
const listSchema = z.object({ turns: z.array(z.object({ timeline: viewSchema.nullable() })) });

/** Turns as they were written down; null for what is none. */
export function readMeasuredTurns(value: unknown): readonly MeasuredTurn[] | null {
  const list = listSchema.safeParse(value);
  if (list.success) return list.data.turns.flatMap(({ timeline }) => (timeline ? [ofView(timeline)] : []));
  const view = viewSchema.safeParse(value);
  if (view.success) return [ofView(view.data)];
  const line = lineSchema.safeParse(value);
  if (!line.success || (line.data.message ?? line.data.event) === undefined) return null;
  const { start, hostMs, restoreMs, agentMs, checkpointMs, commitMs, deliverMs } = line.data;
  const heldMs = hostMs + restoreMs + agentMs + checkpointMs + commitMs + deliverMs;
  return [{ heldSec: start === undefined ? 0 : heldMs / 1_000, hot: start === 'hot', modelCalls: 0 }];
}

function ofView({ spans, host }: z.infer<typeof viewSchema>): MeasuredTurn {
  return measuredTurn({
    spans: spans.map(({ kind, from_ms, to_ms }) => ({
      kind,
      fromMs: from_ms,
      toMs: to_ms,
    })) as Timed['spans'],
    host: host && { ...host, waitedMs: 0, restoredBytes: 0, savedBytes: 0 },
  });
}
