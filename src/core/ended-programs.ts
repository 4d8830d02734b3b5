// Programs that a turn left running and that were ended with it: named in the reply with what they wrote last, so that nothing
// ends in silence. What a host tells of them crosses the line to the worker, so it is bounded here.
import { z } from 'zod';
import { fenced, plainLine } from './question-words.ts';

export const MAX_ENDED_PROGRAMS = 10;
/** Longest name, and the most of its last lines. */
export const MAX_PROGRAM_NAME = 120;
export const MAX_LAST_LINES = 1_500;

const wellFormed = (max: number) =>
  z
    .string()
    .max(max)
    .transform((text) => text.toWellFormed());

export const endedProgramSchema = z.strictObject({
  /** Its command line. */
  name: wellFormed(MAX_PROGRAM_NAME),
  /** What it wrote last; empty where that cannot be known. */
  lastLines: wellFormed(MAX_LAST_LINES),
});
export type EndedProgram = z.infer<typeof endedProgramSchema>;

/** The reply with a word about each. */
export function withEndedPrograms(text: string, ended: readonly EndedProgram[] = []): string {
  if (ended.length === 0) return text;
  const parts = ended.map(({ name, lastLines }) => {
    const said = `_Still running when this turn ended, so it was ended:_ ${plainLine(name)}`;
    return lastLines.trim() === '' ? said : `${said}\n\n${fenced(lastLines.trimEnd(), '')}`;
  });
  return [text.trimEnd(), ...parts].filter(Boolean).join('\n\n');
}
