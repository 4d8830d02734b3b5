// `sessions list|show|erase`: work directly on the data folder, whether a server is running on it or not.

import { createTitles, shorten } from '../api/titles.ts';
import { chatView, type TurnView, turnView } from '../api/views.ts';
import { eraseChat, heldOfChat } from '../core/erase-chat.ts';
import { Conflict } from '../core/errors.ts';
import { conversationOf } from '../core/ids.ts';
import type { SessionMapping } from '../core/records.ts';
import { harmless } from '../text/harmless.ts';
import { noteAct } from './administrator.ts';
import { confirm } from './confirm.ts';
import type { CliContext, DataOptions } from './context.ts';
import { chatName, findConversation, tenantOption, withStores } from './lookup.ts';
import { counted } from './terminal.ts';

export async function list(context: CliContext, options: DataOptions & { limit: number }): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ store }) => {
    const tenant = tenantOption(options);
    const titles = createTitles(store);
    const mappings: SessionMapping[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null && mappings.length < options.limit) {
      const limit = Math.min(options.limit - mappings.length, 200);
      const page = await store.listMappings(tenant, { limit, ...(cursor && { cursor }) });
      mappings.push(...page.items);
      cursor = page.cursor;
    }
    const rows = await Promise.all(
      mappings.map(async (mapping) => {
        const head = await store.getHead(tenant, mapping.session_id);
        return { ...chatView(mapping, await titles.of(mapping)), generation: head?.generation ?? 0 };
      }),
    );
    if (options.json) return terminal.json({ sessions: rows, more: cursor !== null && cursor !== undefined });
    if (rows.length === 0) return terminal.note('No sessions yet. Start one with `hybrid-sessions chat`.');
    terminal.table(
      ['CHAT', 'SESSION', 'GENERATION', 'LAST USED (UTC)', 'TITLE'],
      rows.map((row) => [
        `${row.channel}/${harmless(row.chat)}`,
        row.session_id,
        String(row.generation),
        row.updated_at.slice(0, 16).replace('T', ' '),
        harmless(row.title),
      ]),
    );
    if (cursor) terminal.note(`There are more; --limit shows them.`);
  });
}

export async function show(context: CliContext, chat: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ store }) => {
    const { mapping, head } = await findConversation(store, chat, tenantOption(options));
    const page = await store.listTurns(head.sessionKey, { limit: 20 });
    const { chat: chatId, channel } = conversationOf(head.sessionKey);
    const turns = page.items.map(turnView);
    if (options.json) {
      return terminal.json({
        chat: chatId,
        channel,
        session_id: head.sessionId,
        current: mapping?.session_id === head.sessionId,
        generation: head.generation,
        created_at: new Date(head.createdAtMs).toISOString(),
        updated_at: new Date(head.updatedAtMs).toISOString(),
        expires_at: new Date(head.expiresAtSec * 1000).toISOString(),
        turns,
      });
    }
    const now = mapping?.session_id === head.sessionId ? '' : ' (an earlier session of this chat)';
    terminal.line(`${terminal.style('bold', `${channel}/${harmless(chatId)}`)}${now}`);
    terminal.line(`session     ${head.sessionId}`);
    terminal.line(`generation  ${head.generation}`);
    terminal.line(`created     ${new Date(head.createdAtMs).toISOString()}`);
    terminal.line(`last used   ${new Date(head.updatedAtMs).toISOString()}`);
    terminal.line(`expires     ${new Date(head.expiresAtSec * 1000).toISOString()}`);
    terminal.line();
    for (const turn of turns) {
      const said = writtenIn(turn);
      terminal.line(`${terminal.style('cyan', '›')} ${said}`);
      const reply = turn.reply ? harmless(shorten(turn.reply.text)) : `(${turn.status})`;
      const mark = turn.reply?.demo ? ' (demo model)' : '';
      terminal.line(`  ${reply}${terminal.style('dim', mark)}`);
    }
    if (page.cursor) terminal.note('Older turns are not shown; `sessions export` has all of them.');
  });
}

/** What the person wrote. */
function writtenIn({ kind, text }: TurnView): string {
  const said = harmless(shorten(text));
  if (kind === 'message' || kind === 'steer') return said;
  return kind === 'command' ? `/${said}` : `/${kind} ${said}`.trim();
}

export async function erase(
  context: CliContext,
  chat: string,
  options: DataOptions & { yes?: boolean },
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const { head } = await findConversation(stores.store, chat, tenantOption(options));
    const name = chatName(head.sessionKey);
    if (!options.yes)
      await confirm(context, `Erase ${name} with its turns and files for good?`, 'Nothing was erased.');
    const { queue } = stores;
    const erased = await eraseChat({ ...stores, deadLetters: queue.deadLetters }, head.sessionKey);
    const sessions = erased.sessions.length;
    const left = await heldOfChat(stores, head.sessionKey, erased);
    const some = Object.entries(left).flatMap(([kind, count]) => (count > 0 ? [`${count} ${kind}`] : []));
    if (some.length > 0) {
      throw new Conflict('not-erased', `Something came back while it was erased: ${some.join(', ')}.`, {
        advice: 'Run the command again.',
        data: { left },
      });
    }
    await noteAct(context, stores, 'chat-erased', head.tenant, { session: head.sessionId, sessions });
    if (options.json) terminal.json({ erased: name, sessions, left });
    else {
      terminal.line(`Erased ${name} (${counted(sessions, 'session')}).`);
      terminal.line(
        `Left: ${Object.entries(left)
          .map(([kind, count]) => `${count} ${kind}`)
          .join(', ')}.`,
      );
    }
  });
}
