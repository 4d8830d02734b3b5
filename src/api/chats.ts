// Chats: the list, one chat with its turns, and erasing one. A chat of this API is a conversation of the `http`
// channel; conversations of other channels cannot be named through it.
import { eraseChat } from '../core/erase-chat.ts';
import { type Conversation, conversationOf, type SessionKey, sessionKeyOf } from '../core/ids.ts';
import { linkingOf } from '../core/links.ts';
import type { SessionMapping } from '../core/records.ts';
import { conversationOfChat, ofOwner, sharedKey } from './chat-name.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { refuse } from './problems.ts';
import { pageOf } from './requests.ts';
import { createTitles } from './titles.ts';
import { chatView, markView, turnView } from './views.ts';

/** Which chats share its conversation. */
async function linksView(store: ApiDeps['store'], own: SessionKey, shared: SessionKey) {
  const view = ({ channel, chat }: Conversation) => ({ channel, chat });
  const guests = (await linkingOf(store)?.guestsOf(own)) ?? [];
  return {
    linked_to: own === shared ? null : view(conversationOf(shared)),
    linked_from: guests.map(({ place }) => view(place.conversation)),
  };
}

export function chatRoutes(deps: ApiDeps): Route[] {
  const titles = createTitles(deps.store);
  const { owner = OWN } = deps;

  async function mappingOf(key: SessionKey): Promise<SessionMapping> {
    return (await deps.store.getMapping(key)) ?? refuse(404, 'unknown-chat', 'There is no such chat.');
  }

  return [
    {
      method: 'get',
      path: '/v1/chats',
      async handle(context) {
        const page = await deps.store.listMappings(owner.tenant, { ...pageOf(context), ...ofOwner(owner) });
        const chats = await Promise.all(page.items.map(async (m) => chatView(m, await titles.of(m))));
        return context.json({ chats, cursor: page.cursor });
      },
    },
    {
      method: 'get',
      path: '/v1/chats/{chat}',
      async handle(context) {
        const conversation = conversationOfChat(context.req.param('chat'), owner);
        const options = pageOf(context);
        const key = await sharedKey(deps.store, conversation);
        const page = await deps.store.listTurns(key, options);
        // Right after the first message there are turns but no session yet: that chat is known, too.
        const mapping = await deps.store.getMapping(key);
        if (mapping === null && page.items.length === 0) await mappingOf(key);
        const head = mapping && (await deps.store.getHead(owner.tenant, mapping.session_id));
        const away = head && deps.state.awayOf(head);
        const view = mapping && chatView(mapping, '');
        return context.json({
          chat: conversation.chat,
          session_id: view?.session_id ?? null,
          generation: head?.generation ?? null,
          undoable: head ? deps.state.undoable(head).map(markView) : [],
          redoable: head ? deps.state.redoable(head).map(markView) : [],
          ...(await linksView(deps.store, sessionKeyOf(conversation), key)),
          created_at: view?.created_at ?? null,
          updated_at: view?.updated_at ?? null,
          expires_at: view?.expires_at ?? null,
          away_since: away ? new Date(away.sinceMs).toISOString() : null,
          turns: page.items.map(turnView),
          cursor: page.cursor,
        });
      },
    },
    {
      method: 'delete',
      path: '/v1/chats/{chat}',
      scope: 'erase',
      async handle(context) {
        const key = sessionKeyOf(conversationOfChat(context.req.param('chat'), owner));
        const page = await deps.store.listTurns(key, { limit: 1 });
        if (page.items.length === 0) await mappingOf(key);
        await eraseChat(deps, key);
        return context.body(null, 204);
      },
    },
  ];
}
