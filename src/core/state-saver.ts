// Saves the session while and after the agent runs. Knows the head as last moved: what a commit must be based on.
import { isLeaseLost, Refused } from './errors.ts';
import { errorFields } from './log.ts';
import { atOneMoment } from './one-moment.ts';
import type { ExecutionDirectory } from './ports.ts';
import type { SessionHead } from './records.ts';
import type { RunningTurn } from './running-turn.ts';

export interface StateSaver {
  readonly head: SessionHead;
  /** Checkpoints, without moving the head. */
  prepare(onRead?: () => void): Promise<{
    head: SessionHead;
    baseline: unknown;
    refused: readonly { path: string; reason: string }[];
    compactionDue: boolean;
  }>;
  /** Checkpoints and moves the head: this much of the turn survives a crash. */
  save(): Promise<void>;
  /** The same while the agent runs: its processes stand still meanwhile (MOMENT). */
  saveMoment(): Promise<void>;
}

export function createStateSaver(
  { deps, request, lease, head: begun }: RunningTurn,
  directory: ExecutionDirectory,
  restoredBaseline: unknown,
): StateSaver {
  let head = begun;
  let baseline = restoredBaseline;
  const prepare: StateSaver['prepare'] = async (onRead) => {
    const generation = head.generation + 1;
    const { fence } = lease;
    const result = await deps.state.checkpoint({
      head,
      generation,
      fence,
      baseline,
      directory,
      ...(onRead ? { onRead } : {}),
    });
    baseline = result.baseline;
    return {
      head: { ...head, generation, state: result.state },
      baseline,
      refused: result.refused,
      compactionDue: result.compactionDue,
    };
  };
  const advanceTo = async (next: SessionHead): Promise<void> => {
    await deps.store.advance({
      lease,
      baseGeneration: head.generation,
      generation: next.generation,
      state: next.state ?? null,
      turnId: request.turnId,
    });
    head = next;
  };
  return {
    get head() {
      return head;
    },
    prepare,
    save: async () => advanceTo((await prepare()).head),
    saveMoment: async () => advanceTo((await atOneMoment(deps, lease, prepare)).head),
  };
}

/** Saves the running turn now and then. A failed save only means that a crash would cost more. */
export function saveEvery(
  { deps }: Pick<RunningTurn, 'deps'>,
  saver: StateSaver,
  worthSaving: () => boolean,
): { end(): Promise<void> } {
  const everyMs = deps.timing.checkpointEveryMs;
  if (everyMs <= 0) return { end: async () => {} };
  const ended = new AbortController();
  const running = (async () => {
    while (!ended.signal.aborted) {
      await deps.clock.sleep(everyMs, ended.signal);
      if (ended.signal.aborted) return;
      if (!worthSaving()) continue;
      try {
        await saver.saveMoment();
      } catch (error) {
        deps.log('warn', 'mid-turn-checkpoint-failed', errorFields(error));
        if (isLeaseLost(error) || !(error instanceof Refused)) return;
      }
    }
  })();
  return {
    async end() {
      ended.abort();
      await running;
    },
  };
}
