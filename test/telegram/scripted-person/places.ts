// The chats of a scenario: each has its own, so that none sees another's. A private chat has its person's id.
export const PLACES = {
  private: 10_000,
  /** Private, and what is written while a turn runs is told to it. */
  steer: 20_000,
  /** Private, and what is written while a turn runs ends it. */
  interrupt: 30_000,
  group: -40_000,
  /** What a group becomes. */
  supergroup: -50_000,
  /** A group whose every message is heard. */
  all: -60_000,
  /** A group whose commands are heard. */
  commands: -70_000,
  /** A group that nobody allowed. */
  foreign: -80_000,
} as const;

export type Place = keyof typeof PLACES;

export function placeOf(place: Place, scenario: number): number {
  const first = PLACES[place];
  return first > 0 ? first + scenario : first - scenario;
}

/** Somebody whom nobody allowed. */
export const STRANGER = 99_999;
