// One bot of the fake Telegram, from the people's side: they write, the test looks at what they see.
import { systemClock } from '../../src/core/clock.ts';
import type { Clock } from '../../src/core/ports/clock.ts';
import type { BotState, Payload } from './bot-methods.ts';
import { callMethod } from './bot-methods.ts';
import { type ChatStore, type ChatType, createFakeChat, type FakeChat } from './fake-chat.ts';
import { createFaultPlan, type FaultPlan } from './faults.ts';
import { createFileShelf, type FileShelf } from './file-shelf.ts';
import { createUpdateFeed, type UpdateFeed } from './update-feed.ts';

export interface FakeBotOptions {
  /** `<id>:<secret>`. */
  readonly token: string;
  readonly username?: string;
  /** Pause before a webhook that failed is tried again. */
  readonly webhookRetryMs?: number;
  /** The machine's own time when left out. */
  readonly clock?: Clock;
}

interface SayOptions {
  /** User id of the person; in a private chat the chat's own id. */
  readonly from?: number;
  /** Topic. */
  readonly thread?: number;
  /** Further fields of the message, e.g. a photo; pass an empty text with it. */
  readonly fields?: Payload;
}

interface Said {
  readonly updateId: number;
  readonly messageId: number;
}

/** One call the bot made, as it came in. */
export interface BotCall {
  readonly atMs: number;
  readonly method: string;
  readonly payload: Payload;
  /** `ok`, an error's code, or how the connection ended. */
  readonly outcome: string;
}

export interface FakeBot {
  readonly id: number;
  readonly username: string;
  readonly token: string;
  readonly faults: FaultPlan;
  /** Every call, oldest first. */
  readonly calls: readonly BotCall[];
  /** Menus of commands by `scope/language`. */
  readonly menus: ReadonlyMap<string, readonly unknown[]>;
  /** Updates not yet confirmed, and the webhook. */
  readonly feed: Pick<UpdateFeed, 'pending' | 'webhook' | 'waitingPolls'>;
  /** The chat; made on first use, private for positive ids and a supergroup for negative ones. */
  chat(chatId: number, type?: ChatType): FakeChat;
  /** A person writes. */
  say(chatId: number, text: string, options?: SayOptions): Said;
  /** A person changes what they wrote. */
  correct(chatId: number, messageId: number, text: string): number;
  /**
   * A person presses the button of that message whose text holds `label`; the message's last known one, if it is gone by now.
   * Returns the update's id.
   */
  press(chatId: number, messageId: number, label: string, options?: { readonly from?: number }): number;
  /** A person presses "stop" on the draft that stands there. Returns the update's id. */
  pressStop(chatId: number): number;
  /** Presses that Telegram still shows as waiting. */
  readonly waitingPresses: number;
  /** A basic group becomes a supergroup: its two service messages, and a chat whose message ids begin anew. */
  migrate(groupId: number, supergroupId: number): { readonly updateIds: readonly [number, number] };
  /** Somebody adds the bot to a group, or takes it out. Returns the update's id. */
  member(groupId: number, by: number, status: 'member' | 'left' | 'kicked'): number;
  /** Somebody asks the bot in a chat that it is no member of. Returns the update's id. */
  guest(chatId: number, text: string, from: number): number;
  /** What the bot said to guests' questions. */
  readonly guestAnswers: readonly string[];
  /** Any other update, with an id of its own. */
  update(fields: Payload): number;
  /** What people and the bot have sent: `files.keep(bytes)` gives what a message's `photo` or `document` holds. */
  readonly files: FileShelf;
  /** The same update again, as Telegram does after an answer it did not get. */
  redeliver(updateId: number): Promise<void>;
}

/** With what the server needs besides. */
export interface ServedBot extends FakeBot {
  call(method: string, payload: Payload, gone: AbortSignal): Promise<unknown>;
  noteCall(call: Omit<BotCall, 'atMs'>): void;
  close(): void;
}

export function createFakeBot(options: FakeBotOptions): ServedBot {
  const { token, username = 'hybrid_test_bot', clock = systemClock } = options;
  const id = Number(token.split(':')[0]);
  const chats = new Map<number, ChatStore>();
  const calls: BotCall[] = [];
  const files = createFileShelf();
  let lastUpdateId = 700_000;
  let lastMessageId = 0;

  const feed = createUpdateFeed({
    webhookRetryMs: options.webhookRetryMs ?? 50,
    onWebhookReply(method, payload) {
      void callMethod(state, method, payload, new AbortController().signal).catch(() => undefined);
    },
  });
  const state: BotState = {
    ...{ id, username, feed, chats },
    ...{ menus: new Map(), presses: new Set(), guestQueries: new Set(), guestAnswers: [], files },
  };
  let lastPress = 0;

  function chat(chatId: number, type: ChatType = chatId > 0 ? 'private' : 'supergroup'): ChatStore {
    const known = chats.get(chatId);
    if (known) return known;
    const made = createFakeChat(chatId, type, () => ++lastMessageId, clock.now);
    chats.set(chatId, made);
    return made;
  }

  function update(fields: Payload): number {
    const updateId = ++lastUpdateId;
    feed.add({ update_id: updateId, ...fields });
    return updateId;
  }

  return {
    id,
    username,
    token,
    calls,
    faults: createFaultPlan(),
    feed,
    menus: state.menus,
    files,
    chat,
    say(chatId, text, { from = Math.abs(chatId), thread, fields = {} } = {}) {
      const place = chat(chatId);
      const threadId = thread ?? null;
      const said = place.add({ from, text, kind: 'plain', threadId, replyTo: null, silent: false });
      const message = {
        message_id: said.id,
        date: Math.floor(clock.now() / 1_000),
        from: { id: from, is_bot: false, first_name: `Person ${from}` },
        chat: { id: chatId, type: place.type },
        ...(threadId === null ? {} : { message_thread_id: threadId, is_topic_message: true }),
        ...(text === '' ? {} : { text }),
        ...fields,
      };
      return { updateId: update({ message }), messageId: said.id };
    },
    correct(chatId, messageId, text) {
      const place = chat(chatId);
      const from = place.allMessages.find((message) => message.id === messageId)?.from ?? 0;
      return update({
        edited_message: {
          message_id: messageId,
          date: 0,
          edit_date: 1,
          from: { id: from, is_bot: false, first_name: `Person ${from}` },
          chat: { id: chatId, type: place.type },
          text,
        },
      });
    },
    press(chatId, messageId, label, { from = Math.abs(chatId) } = {}) {
      const place = chat(chatId);
      const message = place.messages.find(({ id: known }) => known === messageId);
      const button = message?.buttons.flat().find(({ text }) => text.includes(label));
      if (!message || !button) throw new Error(`There is no button "${label}" to press.`);
      const pressId = `${id}${++lastPress}`;
      state.presses.add(pressId);
      const { threadId } = message;
      return update({
        callback_query: {
          id: pressId,
          from: { id: from, is_bot: false, first_name: `Person ${from}` },
          chat_instance: String(chatId),
          data: button.callback_data,
          message: {
            message_id: messageId,
            date: Math.floor(clock.now() / 1_000),
            from: { id, is_bot: true, first_name: username, username },
            chat: { id: chatId, type: place.type },
            ...(threadId === null ? {} : { message_thread_id: threadId, is_topic_message: true }),
            text: message.text,
          },
        },
      });
    },
    pressStop(chatId) {
      const { draft } = chat(chatId);
      if (!draft?.canStop) throw new Error('There is no draft to stop.');
      const { id: draftId, threadId } = draft;
      const stopped = {
        chat: { id: chatId, type: 'private', first_name: `Person ${chatId}` },
        ...(threadId === null ? {} : { message_thread_id: threadId }),
        draft_id: draftId,
      };
      return update({ stopped_message_generation: stopped });
    },
    get waitingPresses() {
      return state.presses.size;
    },
    migrate(groupId, supergroupId) {
      let last = 0;
      chats.set(
        supergroupId,
        createFakeChat(supergroupId, 'supergroup', () => ++last, clock.now),
      );
      chat(groupId, 'group').migrate(supergroupId);
      const news = (id: number, type: ChatType, fields: Payload) =>
        update({
          message: {
            message_id: id === groupId ? ++lastMessageId : ++last,
            date: Math.floor(clock.now() / 1_000),
            from: { id: 1_087_968_824, is_bot: true, first_name: 'Group', username: 'GroupAnonymousBot' },
            chat: { id, type },
            ...fields,
          },
        });
      return {
        updateIds: [
          news(groupId, 'group', { migrate_to_chat_id: supergroupId }),
          news(supergroupId, 'supergroup', { migrate_from_chat_id: groupId }),
        ],
      };
    },
    member(groupId, by, status) {
      const place = chat(groupId);
      if (status === 'member') place.unblock();
      else place.block();
      const user = { id, is_bot: true, first_name: username, username };
      return update({
        my_chat_member: {
          chat: { id: groupId, type: place.type, title: `Group ${groupId}` },
          from: { id: by, is_bot: false, first_name: `Person ${by}` },
          date: Math.floor(clock.now() / 1_000),
          old_chat_member: { status: status === 'member' ? 'left' : 'member', user },
          new_chat_member: { status, user },
        },
      });
    },
    guest(chatId, text, from) {
      const queryId = `guest-${lastUpdateId + 1}`;
      state.guestQueries.add(queryId);
      return update({
        guest_message: {
          message_id: 1,
          date: Math.floor(clock.now() / 1_000),
          from: { id: from, is_bot: false, first_name: `Person ${from}` },
          chat: { id: chatId, type: 'supergroup', title: 'Elsewhere' },
          guest_query_id: queryId,
          text,
        },
      });
    },
    guestAnswers: state.guestAnswers,
    update,
    redeliver: (updateId) => feed.redeliver(updateId),
    call: (method, payload, gone) => callMethod(state, method, payload, gone),
    noteCall(call) {
      calls.push({ ...call, atMs: clock.now() });
    },
    close: () => feed.close(),
  };
}
