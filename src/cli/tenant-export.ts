// `tenants export`: all that is held about a tenant as one folder, for the tenant to take along. Each session has the
// shape that `sessions export` gives it and `sessions import` takes back; beside them are the record (with references to
// secrets, never secrets), of each chat its turns as they stand in the ledger, its events and what it used, dead letters, and the acts of administrators.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Tenant, tenantId, tenantOf } from '../core/ids.ts';
import type { ListOptions, Page } from '../core/ports.ts';
import type { Stores } from '../local/stores.ts';
import { noteAct } from './administrator.ts';
import { writeChat, writeJson, writeLines } from './chat-export.ts';
import type { CliContext, DataOptions } from './context.ts';
import { EXIT } from './failure.ts';
import { withStores } from './lookup.ts';
import { readTenantName } from './tenant-settings.ts';
import { requireTenant, viewOf } from './tenants.ts';
import { counted } from './terminal.ts';
import { allHeads } from './verify.ts';
import { newFolder, whole } from './write-session.ts';

interface Exported {
  chats: number;
  sessions: number;
  turns: number;
  deadLetters: number;
  /** Sessions that could not be read back, and why. */
  readonly unreadable: { readonly session_id: string; readonly reason: string }[];
}

/** Returns the exit code. */
export async function exportTenant(
  context: CliContext,
  given: string,
  dir: string | undefined,
  options: DataOptions,
): Promise<number> {
  const { terminal, cwd } = context;
  const name = readTenantName(given);
  const tenant = tenantId(name);
  return await withStores(context, options, async (stores) => {
    const record = await requireTenant(stores.tenants, name);
    const target = await newFolder(cwd, dir ?? `export-tenant-${name}`);
    const exported = await whole(target, async (draft) => {
      await mkdir(join(draft, 'chats'), { recursive: true, mode: 0o700 });
      await writeJson(join(draft, 'tenant.json'), viewOf(record));
      const done = await writeChats(stores, tenant, draft);
      done.deadLetters = await writeAll(
        join(draft, 'dead-letters.jsonl'),
        (page) => stores.queue.deadLetters.list(page),
        ({ request }) => request.conversation.tenant !== '' && tenantOf(request.sessionKey) === tenant,
      );
      await writeAll(join(draft, 'audit.jsonl'), (page) => stores.tenants.audit.list({ ...page, tenant }));
      const at = new Date().toISOString();
      await writeJson(join(draft, 'index.json'), { format: 1, tenant: name, exported_at: at, ...done });
      return done;
    });
    const { chats, sessions, turns, deadLetters, unreadable } = exported;
    const detail = { chats, sessions, turns, deadLetters, unreadable: unreadable.length };
    await noteAct(context, stores, 'tenant-exported', tenant, detail);
    if (options.json) terminal.json({ exported: name, folder: target, ...exported });
    else {
      terminal.line(
        `Exported ${name} to ${target}: ${counted(chats, 'chat')}, ${counted(sessions, 'session')}, ${counted(turns, 'turn')}.`,
      );
    }
    for (const { session_id, reason } of unreadable) terminal.note(`not exported: ${session_id} (${reason})`);
    return unreadable.length > 0 ? EXIT.corrupt : EXIT.ok;
  });
}

async function writeChats(stores: Stores, tenant: Tenant, folder: string): Promise<Exported> {
  const done: Exported = { chats: 0, sessions: 0, turns: 0, deadLetters: 0, unreadable: [] };
  const heads = await allHeads(stores.store, tenant);
  const named = [...(await stores.holdings.conversations(tenant)), ...heads.map((head) => head.sessionKey)];
  for (const key of [...new Set(named)].sort()) {
    done.chats += 1;
    // Ids of chats may hold anything: folders are numbered.
    const chat = join(folder, 'chats', String(done.chats).padStart(4, '0'));
    await mkdir(chat, { mode: 0o700 });
    const sessions = heads.filter((head) => head.sessionKey === key);
    const exported = await writeChat(stores, key, sessions, chat);
    done.turns += exported.turns;
    done.sessions += exported.sessions;
    done.unreadable.push(...exported.unreadable);
  }
  return done;
}

/** Pages come newest first or oldest first, as the list has them; returns how many lines there are. */
async function writeAll<T>(
  file: string,
  list: (options: ListOptions) => Promise<Page<T>>,
  belongs: (item: T) => boolean = () => true,
): Promise<number> {
  const all: T[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page: Page<T> = await list({ limit: 200, ...(cursor && { cursor }) });
    all.push(...page.items.filter(belongs));
    cursor = page.cursor;
  }
  await writeLines(file, all);
  return all.length;
}
