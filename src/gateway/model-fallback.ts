// Another model for a turn whose own does not answer. The choice is made at the beginning of a turn and holds to its
// end. What one process saw it remembers for a while; a turn that comes again after a failure elsewhere asks the model.
import type { Clock } from '../core/ports/clock.ts';

export interface ModelFallback {
  /** The model to use, and whether it stands in for `model`. */
  choose(choice: {
    readonly model: string;
    readonly fallback: string | undefined;
    /** Times the turn was taken up, this one included. */
    readonly tries: number;
    /** True when the model answers a smallest request. */
    readonly answers: (model: string) => Promise<boolean>;
  }): Promise<{ readonly model: string; readonly insteadOf: string | null }>;
  /** This model did not answer; `retryAfterMs` is what its server named. */
  isAway(model: string, retryAfterMs?: number): void;
}

/** Without a time that the server names. */
const AWAY_MS = 60_000;
const MAX_AWAY_MS = 60 * 60_000;

export function createModelFallback(clock: Clock): ModelFallback {
  const awayUntilMs = new Map<string, number>();
  const isAway = (model: string, retryAfterMs = 0): void => {
    const forMs = Math.min(MAX_AWAY_MS, Math.max(AWAY_MS, retryAfterMs));
    awayUntilMs.set(model, clock.now() + forMs);
  };
  return {
    async choose({ model, fallback, tries, answers }) {
      if (fallback === undefined || fallback === model) return { model, insteadOf: null };
      const isKnownAway = (awayUntilMs.get(model) ?? 0) > clock.now();
      if (!isKnownAway && (tries <= 1 || (await answers(model)))) return { model, insteadOf: null };
      if (!isKnownAway) isAway(model);
      return { model: fallback, insteadOf: model };
    },
    isAway,
  };
}

/** Below the reply. */
export function fallbackNote(model: string, insteadOf: string): string {
  return `_(${insteadOf} does not answer right now. ${model} wrote this.)_`;
}
