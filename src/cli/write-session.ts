// Writes one whole session into a new folder. It is written under a temporary name and then renamed, so a folder of the
// final name is always a complete export.
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { turnsOf } from '../core/erase-chat.ts';
import { Invalid } from '../core/errors.ts';
import { conversationOf, type SessionId } from '../core/ids.ts';
import type { SessionHead } from '../core/records.ts';
import type { Stores } from '../local/stores.ts';
import { type Manifest, writeReadableParts } from './export-folder.ts';

/** The whole path of a folder to be made. Invalid('exists') where something is there already. */
export async function newFolder(cwd: string, name: string): Promise<string> {
  const target = resolve(cwd, name);
  if (await lstat(target).catch(() => null)) {
    throw new Invalid('exists', `${target} is there already.`, { advice: 'Name a new folder.' });
  }
  return target;
}

/** Writes one session to a folder that is not there yet; it is whole or not there. */
export async function writeSession(
  { store, state }: Pick<Stores, 'store' | 'state'>,
  head: SessionHead,
  target: string,
): Promise<{ readonly files: number; readonly bytesRead: number }> {
  return await whole(target, async (draft) => {
    const directory = { root: draft, config: join(draft, 'config'), workspace: join(draft, 'workspace') };
    for (const path of [directory.config, directory.workspace])
      await mkdir(path, { recursive: true, mode: 0o700 });
    const restored = await state.restore(head, directory);
    const all = await turnsOf(store, head.sessionKey);
    const turns = all.filter((turn) => turn.sessionId === head.sessionId);
    await writeReadableParts(draft, manifestOf(head, state.agentSessionOf(head)), turns);
    return restored;
  });
}

/** Gives a folder its name when everything is in it. */
export async function whole<T>(target: string, write: (draft: string) => Promise<T>): Promise<T> {
  const draft = `${target}.${randomUUID().slice(0, 8)}.partial`;
  try {
    const written = await write(draft);
    await rename(draft, target);
    return written;
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
}

function manifestOf(head: SessionHead, agentSession: SessionId): Manifest {
  return {
    format: 1,
    session_id: head.sessionId,
    ...(agentSession !== head.sessionId && { agent_session_id: agentSession }),
    conversation: conversationOf(head.sessionKey),
    generation: head.generation,
    exported_at: new Date().toISOString(),
  };
}
