// The folder of an exported session. `config/` and `workspace/` are the whole session, as a restore writes it, and
// session.json says which session it is. The other files are for people to read.
import { cp, lstat, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Invalid } from '../core/errors.ts';
import type { TurnRecord } from '../core/records.ts';
import { settingFault } from '../setting-fault.ts';

export const manifestSchema = z.strictObject({
  format: z.literal(1),
  session_id: z.string().regex(/^[0-9a-f-]{36}$/),
  /** Claude's own id of the conversation, where it is another one: of a fork. */
  agent_session_id: z
    .string()
    .regex(/^[0-9a-f-]{36}$/)
    .optional(),
  conversation: z.strictObject({
    tenant: z.string(),
    channel: z.string(),
    bot: z.string(),
    chat: z.string(),
    thread: z.string().nullable(),
  }),
  generation: z.int().min(1),
  exported_at: z.iso.datetime(),
});
export type Manifest = z.infer<typeof manifestSchema>;

const MANIFEST = 'session.json';
/** The folder of the CLI's transcripts: one fixed name for every working directory (see design/agent.md). */
const TRANSCRIPTS = join('config', 'projects', 'session');

export async function writeReadableParts(
  folder: string,
  manifest: Manifest,
  turns: readonly TurnRecord[],
): Promise<void> {
  const id = manifest.agent_session_id ?? manifest.session_id;
  const transcript = await ownPath(folder, join(TRANSCRIPTS, `${id}.jsonl`));
  await copyIfThere(transcript, join(folder, 'conversation.jsonl'));
  await writeFile(join(folder, 'todos.json'), `${JSON.stringify(await tasksOf(folder, id), null, 2)}\n`);
  const debug = await ownPath(folder, join('config', 'debug', `${id}.txt`));
  const kept = debug === null ? '' : await readFile(debug, 'utf8').catch(() => '');
  await writeFile(join(folder, 'debug.txt'), `${turnLog(turns)}${kept}`);
  await writeFile(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

export async function readManifest(folder: string, shown: string): Promise<Manifest> {
  const text = await readFile(join(folder, MANIFEST), 'utf8').catch((cause: unknown) => {
    throw new Invalid('bad-export', `${shown} is not an exported session: it has no ${MANIFEST}.`, {
      cause,
      advice: 'Name a folder that `sessions export` wrote.',
    });
  });
  let manifest: Manifest;
  try {
    manifest = manifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    const what = cause instanceof z.ZodError ? settingFault(cause) : 'not JSON';
    throw new Invalid('bad-export', `${join(shown, MANIFEST)}: ${what}.`, { cause });
  }
  for (const part of ['config', 'workspace']) {
    // Not followed when it is a link: the folder may come from somebody else.
    const found = await lstat(join(folder, part)).catch(() => null);
    if (!found?.isDirectory()) throw new Invalid('bad-export', `${shown} has no folder ${part}/.`);
  }
  return manifest;
}

/**
 * A path that leads through no link, or null: an agent wrote these files, and what its links name is not the session's
 * but the machine's that exports it.
 */
async function ownPath(folder: string, path: string): Promise<string | null> {
  const plain = join(await realpath(folder), path);
  const real = await realpath(plain).catch(() => null);
  return real === plain ? plain : null;
}

async function copyIfThere(from: string | null, to: string): Promise<void> {
  if (from === null) return await writeFile(to, '');
  try {
    await cp(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await writeFile(to, '');
  }
}

/** The agent's task list: one file per task, named by its number. */
async function tasksOf(folder: string, sessionId: string): Promise<unknown[]> {
  const place = join('config', 'tasks', sessionId);
  const names = await readdir(join(folder, place)).catch(() => []);
  const tasks = names.filter((name) => /^\d+\.json$/.test(name));
  tasks.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  const read = await Promise.all(tasks.map((name) => taskOf(folder, join(place, name))));
  return read.filter((task) => task !== null);
}

async function taskOf(folder: string, path: string): Promise<unknown> {
  const file = await ownPath(folder, path);
  try {
    return file === null ? null : JSON.parse(await readFile(file, 'utf8'));
  } catch {
    // The file itself is in config/, whatever is in it.
    return null;
  }
}

/** One line per turn, from the ledger: what happened when, without what was said. */
function turnLog(turns: readonly TurnRecord[]): string {
  const lines = turns.map((turn) => {
    const usage = turn.reply?.usage;
    const facts = [
      new Date(turn.receivedAtMs).toISOString(),
      turn.turnId,
      turn.kind,
      turn.status,
      `attempts=${turn.attempts}`,
      `generation=${turn.generation ?? '-'}`,
      `tookMs=${turn.updatedAtMs - turn.receivedAtMs}`,
      ...(turn.reply ? [`outcome=${turn.reply.outcome}`] : []),
      ...(turn.reply?.code ? [`code=${turn.reply.code}`] : []),
      ...(usage ? [`tokensIn=${usage.inputTokens}`, `tokensOut=${usage.outputTokens}`] : []),
    ];
    return `${facts.join(' ')}\n`;
  });
  return lines.join('');
}
