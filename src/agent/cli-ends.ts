// Why a session's CLI did not stay after a turn, or could not serve the next one. Few words, for metrics, too.
import type { GroundPart } from './cli-ground.ts';

export const ENDS = [
  'first',
  'not-wanted',
  'not-used',
  'turn-failed',
  'asked',
  'compacted',
  'steered',
  'background',
  'busy',
  'late-files',
  'remote-tools',
  'processes',
  'surroundings',
  'died',
  'memory-limit',
  'directory',
  'options',
  'toolServers',
  'date',
  'memory',
  'repository',
] as const satisfies readonly (GroundPart | string)[];
export type WhyEnded = (typeof ENDS)[number];
