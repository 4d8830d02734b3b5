// `links list|code|end`: which chats share the conversation of another one. They work on the data folder, whether a server is
// running on it or not; ending a link is a message of the chat, so it keeps the order of what was said.
import { acceptAndQueue } from '../core/accept.ts';
import { systemClock } from '../core/clock.ts';
import { Gone, Invalid } from '../core/errors.ts';
import { conversationOf, type SessionKey } from '../core/ids.ts';
import { CODE_MINUTES, createLinking, type Linking, type Place } from '../core/links.ts';
import { turnRequest } from '../core/messages.ts';
import { harmless } from '../text/harmless.ts';
import type { CliContext, DataOptions } from './context.ts';
import { findConversation, tenantOption, withStores } from './lookup.ts';

export async function list(context: CliContext, chat: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ store }) => {
    const { key, home, guests } = await linksOf(store, chat, options);
    const shown = (one: SessionKey) => {
      const { channel, chat: name } = conversationOf(one);
      return { channel, chat: name };
    };
    const from = guests.map((guest) => shown(guest.key));
    const to = home === null ? null : shown(home);
    if (options.json) return terminal.json({ ...shown(key), linked_to: to, linked_from: from });
    if (to === null && from.length === 0)
      return terminal.note('This chat shares its conversation with no other one.');
    const rows = [
      ...(to ? [['shares that of', to] as const] : []),
      ...from.map((one) => ['shared by', one] as const),
    ];
    terminal.table(
      ['', 'CHANNEL', 'CHAT'],
      rows.map(([how, one]) => [how, harmless(one.channel), harmless(one.chat)]),
    );
  });
}

/** For a chat of the HTTP API: a chat platform is asked in the chat itself, so that its people know. */
export async function code(context: CliContext, chat: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ store }) => {
    const { key, home, linking } = await linksOf(store, chat, options);
    const conversation = conversationOf(key);
    if (conversation.channel !== 'http') {
      throw new Invalid('ask-in-chat', 'The people of that chat ask for a code themselves.', {
        advice: 'Write /link in the chat.',
      });
    }
    const made = await linking.offer(home ?? key, { conversation, replyTarget: null });
    if (options.json) return terminal.json({ code: made, minutes: CODE_MINUTES });
    terminal.line(`Write /link ${made} in the other chat within ${CODE_MINUTES} minutes; it is good once.`);
  });
}

export async function end(context: CliContext, chat: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async (stores) => {
    const { key, home, guests, linking } = await linksOf(stores.store, chat, options);
    if (home === null && guests.length === 0) {
      throw new Gone('no-link', 'This chat shares its conversation with no other one.', {
        advice: '`hybrid-sessions links list` shows what a chat is linked to.',
      });
    }
    const { conversation, replyTarget } = await placeOf(linking, key, home, guests);
    const nowMs = systemClock.now();
    const ends = { kind: 'command', text: 'unlink', dedupeId: `cli/${nowMs}` } as const;
    await acceptAndQueue(stores, turnRequest({ ...ends, conversation, replyTarget, receivedAtMs: nowMs }));
    if (options.json) return terminal.json({ ended: home === null ? guests.length : 1 });
    terminal.line('Ended: the chats are told as soon as a server runs.');
  });
}

type Guests = Awaited<ReturnType<Linking['guestsOf']>>;

async function linksOf(store: Parameters<typeof findConversation>[0], chat: string, options: DataOptions) {
  const { head } = await findConversation(store, chat, tenantOption(options));
  const linking = createLinking(store, systemClock);
  const key = head.sessionKey;
  return { key, linking, home: await linking.homeOf(key), guests: await linking.guestsOf(key) };
}

/** How the chat is written to; each side of a link knows that of the other. */
async function placeOf(
  linking: Linking,
  key: SessionKey,
  home: SessionKey | null,
  guests: Guests,
): Promise<Place> {
  const known =
    home === null
      ? await linking.placeOfHome(guests[0]?.key ?? key)
      : (await linking.guestsOf(home)).find((guest) => guest.key === key)?.place;
  return known ?? { conversation: conversationOf(key), replyTarget: null };
}
