// What a computer knows of a session that was pulled to it: a folder below the user's Claude configuration, one for each
// working directory. Beside the note lies `rest/`, what the session holds and a CLI here has no place for, and `aside/`,
// files that a newer pull of the same session took the place of.
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { Invalid } from '../core/errors.ts';
import { settingFault } from '../setting-fault.ts';
import type { CliContext } from './context.ts';

const noteSchema = z.strictObject({
  format: z.literal(1),
  /** Of this copy: the session's head names it while it is away. */
  id: z.string().min(1).max(64),
  folder: z.string(),
  /** Where the session is stored; absolute paths. */
  stored: z.strictObject({ data: z.string().optional(), aws: z.string().optional() }),
  tenant: z.string(),
  session_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  /** What `claude --resume` is given. */
  agent_session_id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  chat: z.string(),
  generation: z.int().nonnegative(),
  /** What stands for the files that were taken, or pushed last. */
  content: z.string(),
  /** Of the push that was begun last: repeated, it finds what it did. */
  push_id: z.string().max(64).nullable(),
  /** `restoring`: nothing is laid yet. `laying`: the folder may not be there yet. `back`: nothing here that was not pushed when it ended. */
  status: z.enum(['restoring', 'laying', 'taken', 'back']),
  /** Files that other working directories of the same session use, too, lie in `aside/`. */
  aside: z.boolean(),
  taken_at: z.iso.datetime(),
  pushed_at: z.iso.datetime().nullable(),
});
export type TakenNote = z.infer<typeof noteSchema>;

const NOTE = 'taken.json';

/** The folder that the user's CLI reads, as it decides itself. */
export function claudeFolder({ env }: Pick<CliContext, 'env'>): string {
  return env.CLAUDE_CONFIG_DIR || join(env.HOME || homedir(), '.claude');
}

/** Everything of ours below it. */
export function takenRoot(claude: string): string {
  return join(claude, 'hybrid-sessions');
}

/** null where there is none. Invalid('bad-note'). */
export async function readNote(side: string): Promise<TakenNote | null> {
  const file = join(side, NOTE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return noteSchema.parse(JSON.parse(text));
  } catch (cause) {
    const what = cause instanceof z.ZodError ? settingFault(cause) : 'not JSON';
    throw new Invalid('bad-note', `${file}: ${what}.`, {
      cause,
      advice: 'A newer version may have written it: update hybrid-sessions.',
    });
  }
}

/** Whole or not at all. */
export async function writeNote(side: string, note: TakenNote): Promise<void> {
  const draft = join(side, `.${randomUUID()}.new`);
  await writeFile(draft, `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(draft, join(side, NOTE));
}

/** All that can be read, with the folder each lies in. */
export async function allNotes(claude: string): Promise<{ side: string; note: TakenNote }[]> {
  const names = await readdir(takenRoot(claude)).catch(() => []);
  const read = await Promise.all(
    names.map(async (name) => {
      const side = join(takenRoot(claude), name);
      const note = await readNote(side).catch(() => null);
      return note ? [{ side, note }] : [];
    }),
  );
  return read.flat();
}
