// A turn's timeline as API and command line show it.
import type { TurnRecord } from '../core/records.ts';
import type { Timeline } from '../core/timeline.ts';

export interface TimelineView {
  readonly turn_id: string;
  readonly received_at: string;
  readonly attempt: number;
  readonly total_ms: number;
  readonly first_text_ms: number | null;
  readonly spans: readonly {
    readonly kind: Timeline['spans'][number]['kind'];
    readonly name?: string;
    readonly from_ms: number;
    readonly to_ms: number;
  }[];
  /** Model calls and tools that are not among the spans. */
  readonly more?: number;
  readonly host: {
    readonly start: 'hot' | 'spare' | 'new';
    readonly waited_ms: number;
    readonly restored_bytes: number;
    readonly saved_bytes: number;
    readonly peak_memory_bytes?: number;
  } | null;
  /** US dollars, without the model's tokens. */
  readonly infra_usd?: number;
}

export function timelineView(turn: TurnRecord, timeline: Timeline): TimelineView {
  const { attempt, totalMs, firstTextMs, spans, more, host, infraUsd } = timeline;
  return {
    turn_id: turn.turnId,
    received_at: new Date(turn.receivedAtMs).toISOString(),
    attempt,
    total_ms: totalMs,
    first_text_ms: firstTextMs,
    spans: spans.map(({ kind, name, fromMs, toMs }) => ({
      kind,
      ...(name !== undefined && { name }),
      from_ms: fromMs,
      to_ms: toMs,
    })),
    ...(more !== undefined && { more }),
    host: host && {
      start: host.start,
      waited_ms: host.waitedMs,
      restored_bytes: host.restoredBytes,
      saved_bytes: host.savedBytes,
      ...(host.peakMemoryBytes !== undefined && { peak_memory_bytes: host.peakMemoryBytes }),
    },
    ...(infraUsd !== undefined && { infra_usd: infraUsd }),
  };
}
