// The named points of a turn: where a fault kit may strike, and where a timeline's spans end.

/** Named points of a turn in order. */
export const TURN_POINTS = [
  'before-lease',
  'after-lease',
  'after-restore',
  'mid-run',
  'after-agent',
  'after-pack',
  'after-commit',
  'after-send',
  'after-mark',
] as const;
export type TurnPoint = (typeof TURN_POINTS)[number];
