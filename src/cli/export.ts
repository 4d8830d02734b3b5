// `sessions export`: one session, or all that is held about its chat, in a new folder.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { deadLettersOf } from '../core/erase-chat.ts';
import { Gone } from '../core/errors.ts';
import { type SessionKey, tenantOf } from '../core/ids.ts';
import type { Stores } from '../local/stores.ts';
import { noteAct } from './administrator.ts';
import { writeChat, writeLines } from './chat-export.ts';
import type { CliContext, DataOptions } from './context.ts';
import { EXIT } from './failure.ts';
import { chatName, findConversation, tenantOption, withStores } from './lookup.ts';
import { bytesText, counted } from './terminal.ts';
import { allHeads } from './verify.ts';
import { newFolder, whole, writeSession } from './write-session.ts';

export async function exportSession(
  context: CliContext,
  chat: string,
  dir: string | undefined,
  options: DataOptions & { everything?: boolean },
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
      if (options.everything) return await exportChat(context, stores, head.sessionKey, dir, options);
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

/** All that is held about the chat, of all its sessions. */
async function exportChat(
  context: CliContext,
  stores: Stores,
  key: SessionKey,
  dir: string | undefined,
  options: DataOptions,
): Promise<void> {
  const { terminal, cwd } = context;
  const tenant = tenantOf(key);
  const heads = (await allHeads(stores.store, tenant)).filter(({ sessionKey }) => sessionKey === key);
  const target = await newFolder(cwd, dir ?? `export-chat-${heads[0]?.sessionId ?? 'empty'}`);
  const exported = await whole(target, async (draft) => {
    await mkdir(draft, { mode: 0o700 });
    await writeLines(join(draft, 'dead-letters.jsonl'), await deadLettersOf(stores.queue, key));
    return await writeChat(stores, key, heads, draft);
  });
  const { sessions, turns, events, files, unreadable } = exported;
  const detail = { sessions, turns, events, files, unreadable: unreadable.length };
  await noteAct(context, stores, 'chat-exported', tenant, detail);
  if (options.json) terminal.json({ exported: chatName(key), folder: target, ...exported });
  else
    terminal.line(
      `Exported all of ${chatName(key)} to ${target}: ${counted(sessions, 'session')}, ${counted(turns, 'turn')}, ${counted(files, 'file')}.`,
    );
  for (const { session_id, reason } of unreadable) terminal.note(`not exported: ${session_id} (${reason})`);
  if (unreadable.length > 0) process.exitCode = EXIT.corrupt;
}
