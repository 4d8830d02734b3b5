// Saves the session while and after the agent runs. Knows the head as last moved: what a commit must be based on.
import { oneLine } from '../text/cut-text.ts';
import { isLeaseLost, Refused } from './errors.ts';
import { errorFields } from './log.ts';
import { shownText } from './lost-files.ts';
import type { AgentHost } from './ports.ts';
import type { SessionHead } from './records.ts';
import type { RunningTurn } from './running-turn.ts';

/** So much of a message names its turn to people who undo it. */
const MARK_LENGTH = 80;

export interface StateSaver {
  readonly head: SessionHead;
  /** Saves, without moving the head. */
  prepare(): Promise<{
    head: SessionHead;
    refused: readonly { path: string; reason: string }[];
    compactionDue: boolean;
  }>;
  /** Saves and moves the head: this much of the turn survives a crash. */
  save(): Promise<void>;
  /** The same while the agent runs: its processes stand still meanwhile (MOMENT). */
  saveMoment(): Promise<void>;
}

export function createStateSaver(
  { deps, request, lease, head: begun }: RunningTurn,
  host: AgentHost,
): StateSaver {
  let head = begun;
  const turn = { id: request.turnId, text: oneLine(shownText(request), MARK_LENGTH) };
  const prepare = async (running = false) => {
    const generation = head.generation + 1;
    const { state, refused, compactionDue } = await host.save({ head, generation, running, turn });
    return { head: { ...head, generation, state }, refused, compactionDue };
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
    prepare: () => prepare(),
    save: async () => advanceTo((await prepare()).head),
    saveMoment: async () => advanceTo((await prepare(true)).head),
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
