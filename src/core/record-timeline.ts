// Records a turn's timeline: each of its points ends a span, what the agent shows and the gateway saw lies within the run.
// A clock that jumps makes spans wrong, and nothing else.
import { cutText } from '../text/cut-text.ts';
import type { TurnRequest } from './messages.ts';
import type { TurnEvent } from './ports/channel.ts';
import type { Clock } from './ports/clock.ts';
import type { HostFacts, ModelCall, Span, SpanKind, Timeline } from './timeline.ts';
import type { TurnPoint } from './turn-points.ts';

export interface TimelineRecorder {
  /** Ends the span that leads to this point. */
  at(point: TurnPoint): void;
  progress(event: TurnEvent): void;
  /** As often as something new is known. */
  host(facts: HostFacts | undefined): void;
  calls(calls: readonly ModelCall[]): void;
  done(attempt: number): Timeline;
}

/** A line of the ledger is written at each step of a turn, so it has to stay small. */
const MAX_INNER_SPANS = 40;
const MAX_NAME = 60;

/** The span that a point ends; at the others none does. */
const ENDS: Partial<Record<TurnPoint, SpanKind>> = {
  'before-lease': 'queue',
  'after-lease': 'lease',
  'after-restore': 'restore',
  'after-agent': 'agent',
  'after-pack': 'checkpoint',
  'after-commit': 'commit',
  'after-send': 'deliver',
};

export function recordTimeline(
  request: Pick<TurnRequest, 'receivedAtMs'>,
  clock: Pick<Clock, 'now'>,
): TimelineRecorder {
  const sinceAccepted = (epochMs: number): number => Math.max(0, Math.round(epochMs - request.receivedAtMs));
  const now = (): number => sinceAccepted(clock.now());
  const begunMs = now();
  const outer: Span[] = [{ kind: 'queue', fromMs: 0, toMs: begunMs }];
  const tools = new Map<string, Span>();
  let calls: readonly Span[] = [];
  let facts: HostFacts | null = null;
  let firstTextMs: number | null = null;
  let lastMs = begunMs;

  function inner(): readonly Span[] {
    const agent = outer.find(({ kind }) => kind === 'agent');
    const [fromMs, toMs] = [agent?.fromMs ?? begunMs, agent?.toMs ?? lastMs];
    const within = (ms: number): number => Math.min(Math.max(ms, fromMs), toMs);
    return [...calls, ...tools.values()]
      .map((span) => ({ ...span, fromMs: within(span.fromMs), toMs: within(span.toMs) }))
      .sort((a, b) => a.fromMs - b.fromMs);
  }

  return {
    at(point) {
      const kind = ENDS[point];
      if (!kind) return;
      const toMs = Math.max(now(), lastMs);
      if (kind === 'queue') outer[0] = { kind, fromMs: 0, toMs };
      else outer.push({ kind, fromMs: lastMs, toMs });
      lastMs = toMs;
    },
    progress(event) {
      if (event.type === 'text') firstTextMs ??= now();
      if (event.type !== 'tool') return;
      const known = tools.get(event.id);
      if (known) tools.set(event.id, { ...known, toMs: Math.max(known.fromMs, now()) });
      else if (tools.size < 10 * MAX_INNER_SPANS) {
        const fromMs = now();
        const name = cutText(event.name, MAX_NAME);
        tools.set(event.id, {
          kind: 'tool',
          name,
          fromMs,
          toMs: event.state === 'started' ? Infinity : fromMs,
        });
      }
    },
    host(next) {
      facts = next ?? facts;
    },
    calls(seen) {
      calls = seen.map(({ fromMs, toMs }) => ({
        kind: 'model',
        fromMs: sinceAccepted(fromMs),
        toMs: sinceAccepted(toMs),
      }));
    },
    done(attempt) {
      const within = inner();
      const shown = within.slice(0, MAX_INNER_SPANS);
      const spans = outer.flatMap((span) =>
        span.kind === 'restore' ? restored(span, facts) : span.kind === 'agent' ? [span, ...shown] : [span],
      );
      const more = within.length - shown.length;
      return {
        attempt,
        spans,
        ...(more > 0 && { more }),
        firstTextMs,
        totalMs: lastMs,
        host: facts,
      };
    },
  };
}

/** Waiting for a host, then laying the session out. */
function restored({ fromMs, toMs }: Span, facts: HostFacts | null): Span[] {
  const readyMs = Math.min(toMs, fromMs + Math.round(facts?.waitedMs ?? 0));
  return [
    ...(facts ? [{ kind: 'host', fromMs, toMs: readyMs } as const] : []),
    { kind: 'restore', fromMs: readyMs, toMs },
  ];
}
