// What the agent is told with its next message: which programs it had left running, and that they were ended. It lies in the
// session's state until then, within the agent's reach, so it is read as a stranger's.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type EndedProgram, endedProgramSchema, MAX_ENDED_PROGRAMS } from '../core/ended-programs.ts';
import type { Prompt } from './continuation.ts';
import { readSmallJson } from './outgoing-files.ts';
import { writeOwnFile } from './write-own-file.ts';

const noteSchema = z.array(endedProgramSchema);

const pathOf = (config: string): string => join(config, '.hybrid', 'ended-programs.json');

export async function writeEndedNote(config: string, ended: readonly EndedProgram[]): Promise<void> {
  // Of several runs of one turn the last ones: a name and its last lines are at most a few kilobytes.
  await writeOwnFile(pathOf(config), JSON.stringify(ended.slice(-MAX_ENDED_PROGRAMS)));
}

/** Read once. */
export async function takeEndedNote(config: string): Promise<readonly EndedProgram[]> {
  const note = noteSchema.safeParse(await readSmallJson(pathOf(config)));
  await rm(pathOf(config), { force: true, recursive: true });
  return note.success ? note.data : [];
}

export function withEndedNote(prompt: Prompt, ended: readonly EndedProgram[]): Prompt {
  if (ended.length === 0) return prompt;
  const programs = ended.map(({ name, lastLines }) => ({ program: name, wrote_last: lastLines }));
  const json = JSON.stringify(programs, null, 1).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e');
  const note = `<system-reminder>
These programs, which you had left running, were ended when you were last at work here. Start again what is still needed.
${json}
</system-reminder>`;
  const { context } = prompt;
  return { ...prompt, context: context === undefined ? note : `${note}\n${context}` };
}
