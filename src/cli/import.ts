// `sessions import`: stores an exported session under its own id, as a new conversation.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import { Conflict, Invalid } from '../core/errors.ts';
import { type SessionId, sessionKeyOf, tenantOf } from '../core/ids.ts';
import type { SessionHead } from '../core/records.ts';
import { withAgentSession } from '../state/timeline.ts';
import { noteAct } from './administrator.ts';
import type { CliContext, DataOptions } from './context.ts';
import { readManifest } from './export-folder.ts';
import { chatName, httpKey, withStores } from './lookup.ts';

export async function importSession(
  context: CliContext,
  dir: string,
  options: DataOptions & { chat?: string },
): Promise<void> {
  const { terminal, cwd } = context;
  const folder = resolve(cwd, dir);
  const manifest = await readManifest(folder, dir);
  if (options.chat !== undefined && !/^[A-Za-z0-9._~-]{1,128}$/.test(options.chat)) {
    throw new Invalid('usage', 'A chat name is 1 to 128 characters of A-Z a-z 0-9 . _ ~ -');
  }
  // Whose it was does not say whose it becomes.
  const conversation = { ...manifest.conversation, tenant: options.tenant ?? DEFAULT_TENANT };
  const sessionKey =
    options.chat === undefined ? sessionKeyOf(conversation) : httpKey(options.chat, options.tenant);
  const sessionId = manifest.session_id as SessionId;
  const tenant = tenantOf(sessionKey);
  const bar = terminal.progress('import');
  const progress = (p: { doneBytes: number; totalBytes: number }) => bar.update(p.doneBytes, p.totalBytes);
  await withStores(
    context,
    options,
    async (stores) => {
      const { store, state, retentionSec } = stores;
      if (await store.getHead(tenant, sessionId)) {
        throw new Conflict('session-exists', `The session ${sessionId} is here already.`, {
          advice: 'Erase it first, or import it somewhere else.',
        });
      }
      if (await store.getMapping(sessionKey)) {
        throw new Conflict('chat-exists', `The chat ${chatName(sessionKey)} is here already.`, {
          advice: 'Give the imported one another name with --chat.',
        });
      }
      const root = await mkdtemp(join(tmpdir(), 'hybrid-sessions-import-'));
      try {
        const directory = { root, config: join(folder, 'config'), workspace: join(folder, 'workspace') };
        const now = Date.now();
        const head: SessionHead = {
          tenant,
          sessionId,
          sessionKey,
          generation: 0,
          fence: 0,
          state: null,
          createdAtMs: now,
          updatedAtMs: now,
          expiresAtSec: Math.floor(now / 1000) + retentionSec,
        };
        const { generation } = manifest;
        const { baseline } = await state.restore(head, directory);
        const saved = await state.checkpoint({ head, generation, fence: 0, baseline, directory });
        const agentSession = manifest.agent_session_id as SessionId | undefined;
        const adopted = agentSession ? withAgentSession(saved.state, agentSession) : saved.state;
        await store.adopt({ sessionKey, sessionId, generation, state: adopted, retentionSec });
        bar.end();
        await noteAct(context, stores, 'session-imported', tenant, { session: sessionId });
        for (const { path, reason } of saved.refused) terminal.note(`not taken in: ${path} (${reason})`);
        if (options.json) terminal.json({ imported: sessionId, chat: chatName(sessionKey), generation });
        else terminal.line(`Imported ${sessionId} as ${chatName(sessionKey)}.`);
      } finally {
        bar.end();
        await rm(root, { recursive: true, force: true });
      }
    },
    { create: true, progress },
  );
}
