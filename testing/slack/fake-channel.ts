// One channel or direct conversation as its people see it: messages, threads, edits, what was deleted.
import { buttonsIn, type FakeBlock, type FakeButton, shownText } from './block-rules.ts';
import type { SharedFile } from './fake-files.ts';
import { SlackRefusal } from './slack-refusal.ts';

export interface FakeMessage {
  readonly ts: string;
  /** A person's id, or the app's. */
  readonly user: string;
  readonly threadTs: string | null;
  /** What people read now. */
  readonly text: string;
  /** What a notification says. */
  readonly fallback: string;
  readonly blocks: readonly FakeBlock[];
  readonly buttons: readonly FakeButton[];
  readonly files: readonly SharedFile[];
  /** Everything it has said, oldest first; the last entry is `text`. */
  readonly history: readonly string[];
  readonly deleted: boolean;
  readonly streams: boolean;
}

export interface FakeChannel {
  readonly id: string;
  readonly isPrivate: boolean;
  /** What is to be seen now, oldest first. */
  readonly messages: readonly FakeMessage[];
  readonly allMessages: readonly FakeMessage[];
  /** What the app shows now, in order. */
  readonly botTexts: readonly string[];
  archive(): void;
  /** The app is removed from the channel. */
  removeApp(): void;
  /** What stands below a thread, behind the app's name. */
  statusOf(threadTs: string): string;
  /** Somebody presses the stop button of a message that streams. */
  stopStream(ts: string): void;
  /** A person, or an admin, deletes a message. */
  delete(ts: string): void;
}

export interface ChannelStore extends FakeChannel {
  add(
    user: string,
    text: string,
    blocks: readonly FakeBlock[],
    threadTs: string | null,
    files?: readonly SharedFile[],
  ): FakeMessage;
  /** Without blocks those of before stay. */
  edit(ts: string, text: string, blocks: readonly FakeBlock[] | undefined): FakeMessage;
  remove(ts: string): void;
  startStream(threadTs: string): string;
  append(ts: string, markdown: string): void;
  endStream(ts: string): void;
  setStatus(threadTs: string, status: string): void;
  checkWritable(): void;
}

interface Stored {
  readonly ts: string;
  readonly user: string;
  readonly threadTs: string | null;
  readonly files: readonly SharedFile[];
  fallback: string;
  blocks: readonly FakeBlock[];
  readonly history: string[];
  deleted: boolean;
  /** Until when it grows; null once it was stopped, and for all others. */
  streamsUntilMs: number | null;
  stoppedByPerson: boolean;
}

/** However much is appended. Reported by many, documented nowhere. */
const STREAM_MS = 300_000;

export function createFakeChannel(
  id: string,
  isPrivate: boolean,
  botUserId: string,
  nextTs: () => string,
  now: () => number,
): ChannelStore {
  const stored: Stored[] = [];
  const statuses = new Map<string, string>();
  let archived = false;
  let member = true;
  const find = (ts: string) => stored.find((message) => message.ts === ts && !message.deleted);
  const asSeen = (message: Stored): FakeMessage => ({
    ...message,
    text: shownText(message.fallback, message.blocks),
    buttons: buttonsIn(message.blocks),
    streams: isStreaming(message),
  });
  const isStreaming = ({ streamsUntilMs }: Stored) => streamsUntilMs !== null && now() < streamsUntilMs;
  const streaming = (ts: string): Stored => {
    const message = own(ts, 'message_not_owned_by_app');
    if (message.stoppedByPerson) throw new SlackRefusal('stopped_by_user');
    if (!isStreaming(message)) throw new SlackRefusal('message_not_in_streaming_state');
    return message;
  };
  const own = (ts: string, otherwise: string): Stored => {
    const message = find(ts);
    if (!message) throw new SlackRefusal('message_not_found');
    if (message.user !== botUserId) throw new SlackRefusal(otherwise);
    return message;
  };
  const channel: ChannelStore = {
    id,
    isPrivate,
    get messages() {
      return stored.filter(({ deleted }) => !deleted).map(asSeen);
    },
    get allMessages() {
      return stored.map(asSeen);
    },
    get botTexts() {
      return channel.messages.filter(({ user }) => user === botUserId).map(({ text }) => text);
    },
    archive() {
      archived = true;
    },
    removeApp() {
      member = false;
    },
    delete(ts) {
      const message = find(ts);
      if (message) message.deleted = true;
    },
    add(user, fallback, blocks, threadTs, files = []) {
      const ts = nextTs();
      const history = [shownText(fallback, blocks)];
      const state = { deleted: false, streamsUntilMs: null, stoppedByPerson: false };
      const message: Stored = { ts, user, threadTs, files, fallback, blocks, history, ...state };
      stored.push(message);
      if (user === botUserId && threadTs !== null) statuses.delete(threadTs);
      return asSeen(message);
    },
    edit(ts, fallback, blocks) {
      const message = own(ts, 'cant_update_message');
      if (isStreaming(message)) throw new SlackRefusal('streaming_state_conflict');
      message.fallback = fallback;
      message.blocks = blocks ?? message.blocks;
      message.history.push(shownText(message.fallback, message.blocks));
      return asSeen(message);
    },
    remove(ts) {
      const message = own(ts, 'cant_delete_message');
      if (isStreaming(message)) throw new SlackRefusal('cant_delete_message');
      message.deleted = true;
    },
    startStream(threadTs) {
      const { ts } = channel.add(botUserId, '', [], threadTs);
      const message = find(ts);
      if (message) message.streamsUntilMs = now() + STREAM_MS;
      return ts;
    },
    append(ts, markdown) {
      const message = streaming(ts);
      const text = shownText('', message.blocks) + markdown;
      message.blocks = [{ type: 'markdown', text }];
      message.history.push(text);
    },
    endStream(ts) {
      streaming(ts).streamsUntilMs = null;
    },
    stopStream(ts) {
      const message = find(ts);
      if (message) Object.assign(message, { streamsUntilMs: null, stoppedByPerson: true });
    },
    setStatus(threadTs, status) {
      if (status === '') statuses.delete(threadTs);
      else statuses.set(threadTs, status);
    },
    statusOf: (threadTs) => statuses.get(threadTs) ?? '',
    checkWritable() {
      if (archived) throw new SlackRefusal('is_archived');
      if (!member) throw new SlackRefusal('not_in_channel');
    },
  };
  return channel;
}
