// What becomes of a turn whose host hung or was ended for being over a limit. One that hung gives way to another at once,
// under the same lease; if that one hangs in the same step, there is no use in a third. A limit is met again by whoever
// tries again, so the person is told which one.
import { Conflict, Invalid } from './errors.ts';
import { errorFields } from './log.ts';
import type { SessionHead } from './records.ts';
import { agentHung, overLimit, withStoppedNote } from './replies.ts';
import { type Decision, type NotNow, type RunningTurn, unchanged } from './running-turn.ts';

/** Where a host may hang, as its person may be told. */
export type HostStep = 'start' | 'restore' | 'run' | 'save';

/** Conflict('host-hung'). */
export function hostHung(step: HostStep, why: string): Conflict {
  return new Conflict('host-hung', `The agent host hung: ${why}.`, { data: { step } });
}

/** Invalid('over-limit'); `message` is fit for the person. */
export function hostOverLimit(limit: string, message: string): Invalid {
  return new Invalid('over-limit', message, { data: { limit } });
}

/** Filled in by one try. */
export interface Tried {
  /** The head as it was last moved, once there is a host. */
  readonly saver?: { readonly head: SessionHead };
}

export async function withAnotherHost<R extends RunningTurn, T>(
  running: R,
  onHost: (running: R, tried: { saver?: Tried['saver'] }) => Promise<T>,
): Promise<T | Decision | NotNow> {
  const { deps, request, signal } = running;
  const hung = new Set<unknown>();
  for (let current = running; ; ) {
    const tried: { saver?: Tried['saver'] } = {};
    try {
      return await onHost(current, tried);
    } catch (error) {
      const head = tried.saver?.head ?? current.head;
      const limit = error instanceof Invalid && error.code === 'over-limit' && error.data.limit;
      if (limit) {
        deps.log('warn', 'host-over-limit', { turn: request.turnId, limit: String(limit) });
        return unchanged({ head }, overLimit((error as Invalid).message, String(limit), request.turnId));
      }
      if (!(error instanceof Conflict) || error.code !== 'host-hung') throw error;
      const { step } = error.data;
      deps.log('warn', 'host-hung', { turn: request.turnId, step: String(step), ...errorFields(error) });
      const ended = endedMeanwhile(signal, head);
      if (ended) return ended;
      if (hung.has(step)) {
        const reply = agentHung(step as HostStep, request.turnId);
        return { ...unchanged({ head }, reply), dead: 'agent-hung' };
      }
      hung.add(step);
      current.progress({ type: 'status', status: 'retrying' });
      const { record } = current;
      const moved = head.generation > current.head.generation;
      current = { ...current, head, record: moved ? { ...record, generation: head.generation } : record };
    }
  }
}

/** It hung when it was to end anyway. */
function endedMeanwhile(signal: AbortSignal, head: SessionHead): Decision | NotNow | null {
  if (!signal.aborted) return null;
  if (signal.reason === 'lost') throw new Conflict('lease-lost', 'The lease was lost while the agent hung.');
  if (signal.reason === 'deadline') return { notNow: 'continue' };
  return unchanged({ head }, { outcome: 'stopped', text: withStoppedNote('') });
}
