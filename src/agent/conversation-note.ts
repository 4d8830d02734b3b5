// A note in the session's state that says whether its conversation has begun and how long it was when the last turn
// ended. It tells "nothing was said yet" (a first turn stopped at once) from "the conversation is gone": only the
// first may start anew, the second never does.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeOwnFile } from './write-own-file.ts';

const noteSchema = z.object({ begun: z.boolean(), bytes: z.number().int().min(0) });
export type ConversationNote = z.infer<typeof noteSchema>;

const pathOf = (config: string): string => join(config, '.hybrid', 'conversation.json');

/** null when there is none that can be read. */
export async function readConversationNote(config: string): Promise<ConversationNote | null> {
  try {
    return noteSchema.parse(JSON.parse(await readFile(pathOf(config), 'utf8')));
  } catch {
    return null;
  }
}

export async function writeConversationNote(config: string, note: ConversationNote): Promise<void> {
  await writeOwnFile(pathOf(config), JSON.stringify(note));
}
