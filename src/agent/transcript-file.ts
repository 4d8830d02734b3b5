// Opens a session's transcript where the agent could have put something else: no link is followed, and the folder
// must be the session's own. Rewriting is whole or not at all.
import { constants, type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Corrupt } from '../core/errors.ts';
import type { SessionId } from '../core/ids.ts';
import type { AgentRun } from '../core/ports/execution.ts';
import { PROJECT_DIRECTORY } from './environment.ts';

/** Claude's own id of the conversation. */
export function agentSessionOf(run: Pick<AgentRun, 'sessionId' | 'agentSessionId'>): SessionId {
  return run.agentSessionId ?? run.sessionId;
}

export function transcriptPath(config: string, sessionId: string): string {
  return join(config, 'projects', PROJECT_DIRECTORY, `${sessionId}.jsonl`);
}

/** null when there is none. Throws Corrupt where it is no plain file of the session. */
export async function openTranscript(path: string, access: 'read' | 'change'): Promise<FileHandle | null> {
  const mode = access === 'read' ? constants.O_RDONLY : constants.O_RDWR;
  try {
    await checkFolder(path);
    const file = await open(path, mode | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code !== 'ELOOP') throw error;
  }
  throw notOurs();
}

/** null when there is none. */
export async function readTranscript(path: string): Promise<string | null> {
  const file = await openTranscript(path, 'read');
  if (!file) return null;
  try {
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

export async function replaceTranscript(path: string, text: string): Promise<void> {
  await checkFolder(path);
  const draft = join(dirname(path), `.${basename(path)}.new`);
  await rm(draft, { force: true });
  // Exclusive: a link planted under this name is not followed.
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

/** `projects/session` of the configuration, neither of them a link. */
async function checkFolder(path: string): Promise<void> {
  for (const folder of [dirname(path), dirname(dirname(path))]) {
    if (!(await lstat(folder)).isDirectory()) throw notOurs();
  }
}

const notOurs = () =>
  new Corrupt('resume-lost', 'The transcript of this session is not a plain file of its own.');
