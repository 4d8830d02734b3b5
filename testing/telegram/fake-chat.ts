// One chat as its people see it: messages of the bot and of people, topics, edits, what was deleted.
import { BotApiError, badRequest } from './bot-api-error.ts';

/** What a bot shows while it writes. */
export interface FakeDraft {
  readonly id: number;
  readonly threadId: number | null;
  /** Empty: Telegram shows its own "Thinking…". */
  readonly text: string;
  readonly kind: 'plain' | 'rich';
  /** It has a button that stops it. */
  readonly canStop: boolean;
}

export interface FakeButton {
  readonly text: string;
  readonly callback_data: string;
}

export interface FakeFile {
  readonly kind: 'photo' | 'document';
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Files that were sent together share it. */
  readonly album?: string;
}

export interface FakeMessage {
  readonly id: number;
  /** `bot` or the person's user id. */
  readonly from: 'bot' | number;
  readonly threadId: number | null;
  readonly replyTo: number | null;
  readonly silent: boolean;
  /** What it says now. */
  readonly text: string;
  /** Whether it is shown formatted (`rich_message`) or letter by letter. */
  readonly kind: 'plain' | 'rich';
  /** The file that it shows, in the order of Telegram's own kinds. */
  readonly file?: FakeFile;
  /** Below it; those in one row stand beside each other. */
  readonly buttons: readonly (readonly FakeButton[])[];
  /** Everything it has said, oldest first; the last entry is `text`. */
  readonly history: readonly string[];
  readonly deleted: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type StoredMessage = Mutable<Omit<FakeMessage, 'history'>> & { history: string[] };
type Buttons = FakeMessage['buttons'];

export type ChatType = 'private' | 'group' | 'supergroup';

export interface FakeChat {
  readonly id: number;
  readonly type: ChatType;
  /** What is to be seen now, oldest first. */
  readonly messages: readonly FakeMessage[];
  /** Deleted ones, too. */
  readonly allMessages: readonly FakeMessage[];
  /** What the bot shows now, in order. */
  readonly botTexts: readonly string[];
  /** The draft to be seen now: the last one of at most 30 seconds ago, until the bot sends a message. */
  readonly draft: FakeDraft | null;
  /** Every draft there was, oldest first. */
  readonly drafts: readonly FakeDraft[];
  /** How often the bot said it was typing. */
  readonly typing: number;
  /** The person blocks the bot (in a group: removes it). */
  block(): void;
  unblock(): void;
  /** The chat has topics (a forum, or a private chat with them switched on), so the bot may open some. */
  haveTopics(): void;
  /** Names of the topics that the bot opened, by id. */
  readonly topics: ReadonlyMap<number, string>;
  /** Topics are known from their first message; a closed or deleted one refuses the bot's messages. */
  closeTopic(threadId: number): void;
  deleteTopic(threadId: number): void;
  /** The group becomes a supergroup: whatever is asked of the old chat is refused with the new id. */
  migrate(to: number): void;
  /** A person deletes a message. */
  delete(messageId: number): void;
}

/** What the Bot API side may do to a chat. */
export interface ChatStore extends FakeChat {
  add(
    message: Pick<FakeMessage, 'from' | 'text' | 'kind' | 'threadId' | 'replyTo' | 'silent' | 'file'>,
  ): FakeMessage;
  /** Puts a file in the place of the text; `caption` is what it says then. */
  putFile(messageId: number, file: FakeFile, caption: string): FakeMessage;
  edit(messageId: number, text: string, kind: FakeMessage['kind'], buttons: Buttons): FakeMessage;
  editButtons(messageId: number, buttons: Buttons): FakeMessage;
  remove(messageId: number): void;
  noteTyping(): void;
  showDraft(draft: FakeDraft): void;
  openTopic(name: string): number;
  /** Throws when the bot may not write here. */
  checkWritable(threadId: number | null): void;
}

const DRAFT_MS = 30_000;

export function createFakeChat(
  id: number,
  type: ChatType,
  nextId: () => number,
  now: () => number = Date.now,
): ChatStore {
  const drafts: FakeDraft[] = [];
  let shownUntilMs = 0;
  const stored: StoredMessage[] = [];
  const closed = new Set<number>();
  const gone = new Set<number>();
  let movedTo: number | null = null;
  let blocked = false;
  const topics = new Map<number, string>();
  let hasTopics = false;
  let typing = 0;

  function editable(messageId: number): StoredMessage {
    const message = find(messageId);
    if (!message) throw badRequest('message to edit not found');
    if (message.from !== 'bot') throw badRequest("message can't be edited");
    return message;
  }

  const find = (messageId: number) => stored.find((message) => message.id === messageId && !message.deleted);

  return {
    id,
    type,
    get messages() {
      return stored.filter((message) => !message.deleted);
    },
    get allMessages() {
      return stored;
    },
    get botTexts() {
      return stored.filter((message) => !message.deleted && message.from === 'bot').map(({ text }) => text);
    },
    get draft() {
      return now() < shownUntilMs ? (drafts.at(-1) ?? null) : null;
    },
    drafts,
    showDraft(draft) {
      drafts.push(draft);
      shownUntilMs = now() + DRAFT_MS;
    },
    get typing() {
      return typing;
    },
    topics,
    haveTopics() {
      hasTopics = true;
    },
    openTopic(name) {
      if (!hasTopics) throw badRequest('the chat is not a forum');
      const topic = nextId();
      topics.set(topic, name);
      return topic;
    },
    block() {
      blocked = true;
    },
    migrate(to) {
      movedTo = to;
    },
    unblock() {
      blocked = false;
    },
    closeTopic(threadId) {
      closed.add(threadId);
    },
    deleteTopic(threadId) {
      gone.add(threadId);
    },
    delete(messageId) {
      const message = find(messageId);
      if (message) message.deleted = true;
    },
    add(message) {
      const added = {
        ...message,
        id: nextId(),
        history: [message.text],
        deleted: false,
        buttons: [] as Buttons,
      };
      stored.push(added);
      if (message.from === 'bot') shownUntilMs = 0;
      return added;
    },
    edit(messageId, text, kind, buttons) {
      const message = editable(messageId);
      const isSame = message.text === text && message.kind === kind;
      if (isSame && isSameJson(message.buttons, buttons)) throw notModified();
      // As at Telegram, an edit without buttons takes them away.
      message.buttons = buttons;
      message.text = text;
      message.kind = kind;
      message.history.push(text);
      return message;
    },
    putFile(messageId, file, caption) {
      const message = editable(messageId);
      const known = message.file;
      const isSame = known?.name === file.name && Buffer.compare(known.bytes, file.bytes) === 0;
      if (isSame && message.text === caption) throw notModified();
      Object.assign(message, { file, text: caption, kind: 'plain', buttons: [] });
      message.history.push(caption);
      return message;
    },
    editButtons(messageId, buttons) {
      const message = editable(messageId);
      if (isSameJson(message.buttons, buttons)) throw notModified();
      message.buttons = buttons;
      return message;
    },
    remove(messageId) {
      const message = find(messageId);
      if (!message) throw badRequest('message to delete not found');
      if (message.from !== 'bot') throw badRequest("message can't be deleted");
      message.deleted = true;
    },
    noteTyping() {
      typing++;
    },
    checkWritable(threadId) {
      if (movedTo !== null) {
        const what = 'Bad Request: group chat was upgraded to a supergroup chat';
        throw new BotApiError(400, what, { migrate_to_chat_id: movedTo });
      }
      if (blocked) {
        const what =
          type === 'private' ? 'bot was blocked by the user' : `bot was kicked from the ${type} chat`;
        throw new BotApiError(403, `Forbidden: ${what}`);
      }
      if (threadId === null) return;
      if (gone.has(threadId)) throw badRequest('message thread not found');
      if (closed.has(threadId)) throw badRequest('TOPIC_CLOSED');
    },
  };
}

function notModified(): BotApiError {
  return badRequest(
    'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
  );
}

const isSameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
