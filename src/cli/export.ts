// `sessions export`: writes one whole session into a new folder. It is written under a temporary name and then renamed,
// so a folder of the final name is always a complete export.
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Gone, Invalid } from '../core/errors.ts';
import { conversationOf } from '../core/ids.ts';
import type { SessionStore } from '../core/ports.ts';
import type { SessionHead, TurnRecord } from '../core/records.ts';
import type { Stores } from '../local/stores.ts';
import { noteAct } from './administrator.ts';
import type { CliContext, DataOptions } from './context.ts';
import { type Manifest, writeReadableParts } from './export-folder.ts';
import { chatName, findConversation, tenantOption, withStores } from './lookup.ts';
import { bytesText } from './terminal.ts';

export async function exportSession(
  context: CliContext,
  chat: string,
  dir: string | undefined,
  options: DataOptions,
): Promise<void> {
  const { terminal, cwd } = context;
  const bar = terminal.progress('export');
  const progress = {
    progress: (p: { doneBytes: number; totalBytes: number }) => bar.update(p.doneBytes, p.totalBytes),
  };
  await withStores(
    context,
    options,
    async (stores) => {
      const { head } = await findConversation(stores.store, chat, tenantOption(options));
      if (head.generation === 0) {
        throw new Gone('nothing-saved', `${chatName(head.sessionKey)} has no saved state yet.`);
      }
      const target = await newFolder(cwd, dir ?? `export-${head.sessionId}`);
      try {
        const { files, bytesRead } = await writeSession(stores, head, target);
        bar.end();
        await noteAct(context, stores, 'session-exported', head.tenant, { session: head.sessionId });
        if (options.json) terminal.json({ exported: head.sessionId, folder: target, files });
        else
          terminal.line(
            `Exported ${chatName(head.sessionKey)} to ${target} (${files} files, ${bytesText(bytesRead)} read).`,
          );
      } finally {
        bar.end();
      }
    },
    progress,
  );
}

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
    await writeReadableParts(draft, manifestOf(head), await turnsOf(store, head));
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

function manifestOf(head: SessionHead): Manifest {
  return {
    format: 1,
    session_id: head.sessionId,
    conversation: conversationOf(head.sessionKey),
    generation: head.generation,
    exported_at: new Date().toISOString(),
  };
}

/** The session's own turns, oldest first. */
async function turnsOf(store: SessionStore, head: SessionHead): Promise<TurnRecord[]> {
  const turns: TurnRecord[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listTurns(head.sessionKey, { limit: 200, ...(cursor && { cursor }) });
    turns.unshift(...page.items.filter((turn) => turn.sessionId === head.sessionId));
    cursor = page.cursor;
  }
  return turns;
}
