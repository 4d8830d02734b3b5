// A turn's events as server-sent events, and waiting for a turn to settle.
import { isCommitted, type TurnRecord } from '../core/records.ts';
import { waitingText } from '../core/waiting.ts';
import type { ApiDeps } from './deps.ts';
import { questionView, replyView } from './views.ts';
import { LEDGER_POLL_MS, unlessAway, type WatchedEvent, watchTurn } from './watch-turn.ts';

/** A store that is away is asked this often by a request that waits. */
const AWAY_AGAIN_MS = 2_000;

/** The events after `after` as text. A comment line now and then keeps proxies from closing a quiet stream. */
async function* eventText(
  deps: ApiDeps,
  turn: TurnRecord,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const { sequence, event } of watchTurn(deps, turn, after, signal)) {
    if (event === null) yield ': still here\n\n';
    else yield line(event.type, eventData(event, turn), sequence);
  }
}

export function eventStream(
  deps: ApiDeps,
  turn: TurnRecord,
  after: number,
  clientGone: AbortSignal,
): Response {
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, clientGone, ...(deps.ending ? [deps.ending] : [])]);
  const texts = eventText(deps, turn, after, signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { value, done } = await texts.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      } catch (error) {
        controller.error(error);
      }
    },
    cancel: () => ended.abort(),
  });
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      location: `/v1/turns/${turn.turnId}`,
    },
  });
}

/**
 * Waits until the turn's outcome is fixed, at most `waitMs`, whether the store is there or not. null when the turn is gone
 * meanwhile.
 */
export async function settled(
  deps: ApiDeps,
  turn: TurnRecord,
  waitMs: number,
  clientGone: AbortSignal,
): Promise<TurnRecord | null> {
  const signal = deps.ending ? AbortSignal.any([clientGone, deps.ending]) : clientGone;
  const untilMs = deps.clock.now() + waitMs;
  let current: TurnRecord | null = turn;
  let sequence = 0;
  while (current && !isCommitted(current) && !signal.aborted) {
    const leftMs = untilMs - deps.clock.now();
    if (leftMs <= 0) break;
    const options = { waitMs: Math.min(leftMs, LEDGER_POLL_MS), signal };
    const known: TurnRecord = current;
    const seen = await unlessAway(async () => {
      const logged = await deps.events.read(turn.tenant, turn.turnId, sequence, options);
      sequence = logged.at(-1)?.sequence ?? sequence;
      const final = logged.some(({ event }) => event.type === 'final');
      return {
        turn: final || logged.length === 0 ? await deps.store.getTurn(turn.tenant, turn.turnId) : known,
      };
    });
    if (seen === null) await deps.clock.sleep(Math.min(leftMs, AWAY_AGAIN_MS), signal);
    else current = seen.turn;
  }
  return current;
}

function line(event: string, data: unknown, id: number | null): string {
  const name = id === null ? '' : `id: ${id}\n`;
  return `${name}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function eventData(event: WatchedEvent, turn: TurnRecord): unknown {
  if (event.type === 'final') {
    const { sessionId, generation, reply } = event;
    return { turn_id: turn.turnId, session_id: sessionId, generation, reply: reply && replyView(reply) };
  }
  if (event.type === 'status' && event.status === 'waiting') {
    const { waitingFor, nextTryAtMs } = event;
    return {
      status: 'waiting',
      waiting_for: waitingFor,
      next_try_at: nextTryAtMs === null ? null : new Date(nextTryAtMs).toISOString(),
      text: waitingText({ waitingFor, nextTryAtMs: null }),
    };
  }
  if (event.type === 'asked') return { questions: event.questions.map(questionView) };
  const { type: _, ...data } = event;
  return data;
}
