// When people write. A conversation is silent for hours, then has a few turns, each some seconds after the reply to the one before. Every
// pattern is a rate over time; the seed decides all of it.
import type { Random } from '../../testing/faults/random.ts';

export interface People {
  readonly conversations: number;
  readonly turnsPerDay: number;
  /** Turns of one sitting, on average. */
  readonly turnsPerSitting: number;
  /** From a reply to the next message, on average. */
  readonly pauseSec: number;
}

export type Pattern = 'even' | 'busy-hour' | 'broadcast';

/** How much more is written than on average, at `share` (0 to 1) of the watched time; before it, below 0. */
const LOAD: Readonly<Record<Pattern, (share: number) => number>> = {
  even: () => 1,
  'busy-hour': () => 5,
  /** A message to everybody: the first tenth of the time has most of the answers. */
  broadcast: (share) => (share >= 0 && share < 0.1 ? 20 : 1),
};

export const peakOf = (pattern: Pattern): number =>
  Math.max(...Array.from({ length: 101 }, (_, step) => LOAD[pattern](step / 100)));

export interface Sitting {
  readonly atSec: number;
  readonly conversation: number;
  readonly turns: number;
}

/** Beginnings of sittings from `fromSec` (below 0) to `seconds`, in order: a Poisson process, thinned to the pattern. */
export function* sittings(
  people: People,
  pattern: Pattern,
  { fromSec, seconds }: { readonly fromSec: number; readonly seconds: number },
  random: Random,
): Generator<Sitting> {
  const peak = peakOf(pattern);
  const perSec = (people.conversations * people.turnsPerDay * peak) / people.turnsPerSitting / 86_400;
  let atSec = fromSec;
  for (;;) {
    atSec += exponential(1 / perSec, random);
    if (atSec >= seconds) return;
    if (!random.chance(LOAD[pattern](atSec / seconds) / peak)) continue;
    const conversation = Math.floor(random.next() * people.conversations);
    yield { atSec, conversation, turns: geometric(people.turnsPerSitting, random) };
  }
}

export const exponential = (mean: number, random: Random): number => -mean * Math.log(1 - random.next());

/** From 1 on, with this mean. */
function geometric(mean: number, random: Random): number {
  return mean <= 1 ? 1 : 1 + Math.floor(Math.log(1 - random.next()) / Math.log(1 - 1 / mean));
}
