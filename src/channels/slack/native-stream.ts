// A running turn in a thread, as Slack shows agents: a status below the thread while nothing is said, then a message that
// grows by appending. Its `ts` is recorded before anything is in it, so that the answer lands in it like in every
// placeholder. Slack ends a stream after some five minutes: a new message goes on before that, and after the turn the answer
// takes the place of them all. What appending cannot show, or Slack refuses to, is shown by edits.
import { Ambiguous, Gone, Invalid, isHybridError, isLeaseLost, Refused } from '../../core/errors.ts';
import type { SendContext } from '../../core/ports.ts';
import type { ProgressText } from '../../core/progress-text.ts';
import { keepShowing, nextReason, type Stream } from '../../core/stream-progress.ts';
import { boundaryBefore, oneLine } from '../../text/cut-text.ts';
import {
  begun,
  type EditedMessages,
  editOn,
  oldOnes,
  removeOld,
  showByEdits,
  showWaiting,
} from '../edited-progress.ts';
import type { SlackApi } from './api.ts';
import { MAX_MESSAGE_LENGTH } from './capabilities.ts';
import { callsNobody } from './message-text.ts';
import type { SlackRecipient, SlackThread } from './stream-api.ts';

export interface NativeStream {
  readonly api: SlackApi;
  readonly thread: SlackThread;
  readonly recipient: SlackRecipient;
  /** Adds a message to the note, behind those that are there. */
  readonly recordNext: (ts: string) => Promise<void>;
}

/** About 100 calls a minute are allowed to the whole workspace. */
const APPEND_EVERY_MS = 1_500;
const ROTATE_AFTER_MS = 240_000;
/** What keeps a text from calling a channel makes it longer. */
const MAX_SEGMENT = MAX_MESSAGE_LENGTH - 2_000;
const STATUS_EVERY_MS = 3_000;
/** Slack takes a status away after two minutes. */
const STATUS_FADES_MS = 90_000;
const MAX_STATUS = 100;
/** `<!channel>` and the like are not torn. */
const MAX_HELD_BACK = 40;

/** Until the stream has ended. */
export async function showNatively(
  native: NativeStream,
  messages: EditedMessages<string>,
  stream: Stream,
): Promise<void> {
  const { api, thread } = native;
  const first = statusOf(stream.text);
  try {
    await api.streams.setStatus(thread, first);
  } catch (error) {
    if (!isHybridError(error)) throw error;
    return await showByEdits(messages, stream);
  }
  const statuses = keepStatus(native, messages, stream, first);
  try {
    await showText(native, messages, stream);
  } finally {
    await statuses;
  }
}

async function keepStatus(
  { api, thread }: NativeStream,
  { clock }: EditedMessages<string>,
  stream: Stream,
  shown: string,
): Promise<void> {
  const surface = {
    everyMs: STATUS_EVERY_MS,
    fadesMs: STATUS_FADES_MS,
    show: (status: string) => api.streams.setStatus(thread, status),
  };
  const text = { ...stream.text, text: () => statusOf(stream.text) };
  // It is best effort beside the text, which goes on without it.
  const last = await keepShowing(clock, surface, { ...stream, text }, { shown }).catch(() => shown);
  if (last !== '') await api.streams.setStatus(thread, '').catch(() => undefined);
}

/** Behind the app's name, as Slack shows it. */
function statusOf(text: ProgressText): string {
  const doing = text.doing();
  if (doing?.kind === 'tool') return `is using ${oneLine(doing.summary, MAX_STATUS)}`;
  if (doing?.kind === 'stopping') return 'is stopping…';
  return doing === null && text.said().trim() === '' ? 'is thinking…' : '';
}

async function showText(
  native: NativeStream,
  messages: EditedMessages<string>,
  stream: Stream,
): Promise<void> {
  const segments = createSegments(native, messages);
  const end = await keepAppending(segments, messages, stream);
  await segments.stop();
  const last = segments.last();
  if (end === 'silent') return;
  if (end === 'ended') return await showWaiting(messages, stream, last, '');
  if (last === null) await showByEdits(messages, stream);
  else await editOn(messages, stream, last, '');
}

/** `edits`: what is to be shown cannot be appended. `silent`: nothing is to be shown any more. */
type End = 'ended' | 'edits' | 'silent';

async function keepAppending(
  segments: Segments,
  { clock }: EditedMessages<string>,
  { text, ended, changed }: Stream,
): Promise<End> {
  let sent = '';
  let waitMs = 0;
  for (;;) {
    await clock.sleep(waitMs, ended);
    waitMs = APPEND_EVERY_MS;
    const change = changed();
    if (ended.aborted) return 'ended';
    const said = text.said();
    // What is waited for is said in a message of its own length, and goes away again; and a turn that begins anew takes back
    // what stands there.
    if (text.waits() || !said.startsWith(sent)) return 'edits';
    const piece = appendable(said.slice(sent.length));
    try {
      if (segments.isOld()) await segments.stop();
      if (piece === '') {
        await nextReason(clock, change, segments.oldInMs() ?? undefined, ended);
        continue;
      }
      await segments.append(piece);
      sent += piece;
    } catch (error) {
      const next = afterFailure(error);
      if (next === 'over') segments.over();
      else if (typeof next === 'number') waitMs = Math.max(waitMs, next);
      else return next;
    }
  }
}

/** How to go on: after so many milliseconds, in a new message, or not by appending. */
function afterFailure(error: unknown): number | 'over' | 'edits' | 'silent' {
  if (error instanceof Gone && error.code === 'stream-over') return 'over';
  if (error instanceof Gone || isLeaseLost(error)) return 'silent';
  if (error instanceof StartFailed) return 'edits';
  if (error instanceof Refused) return error.retryAfterMs;
  // Whether it was appended nobody knows: an edit shows it once.
  if (error instanceof Ambiguous || error instanceof Invalid) return 'edits';
  throw error;
}

/** Slack opens no stream, for whatever reason that is not a lost answer. */
class StartFailed extends Error {}

interface Segments {
  append(piece: string): Promise<void>;
  /** The newest message, whether it still streams or not. */
  last(): string | null;
  isOld(): boolean;
  /** When the open one is to be stopped; null where none is open. */
  oldInMs(): number | null;
  /** Slack has stopped the open one. */
  over(): void;
  stop(): Promise<void>;
}

function createSegments(
  { api, thread, recipient, recordNext }: NativeStream,
  messages: EditedMessages<string>,
): Segments {
  const { channel } = thread;
  let last: string | null = null;
  let open: { readonly ts: string; readonly sinceMs: number; length: number } | null = null;

  async function start() {
    const sinceMs = messages.clock.now();
    const ts = await api.streams.start(thread, recipient).catch((error: unknown) => {
      if (!isHybridError(error) || error instanceof Ambiguous) throw error;
      throw new StartFailed('Slack opens no stream here.', { cause: error });
    });
    const old = last === null ? oldOnes(messages.anchor()) : [];
    try {
      if (last === null) await begun(messages, ts, old);
      else await recordNext(ts);
    } catch (error) {
      await api.remove(channel, ts).catch(() => undefined);
      throw error;
    }
    last = ts;
    await removeOld(messages, old);
    return { ts, sinceMs, length: 0 };
  }

  const segments: Segments = {
    async append(piece) {
      if (open && open.length + piece.length > MAX_SEGMENT) await segments.stop();
      open ??= await start();
      const text = callsNobody(piece);
      await api.streams.append(channel, open.ts, text);
      open.length += text.length;
    },
    last: () => last,
    isOld: () => open !== null && (segments.oldInMs() ?? 0) <= 0,
    oldInMs: () => open && open.sinceMs + ROTATE_AFTER_MS - messages.clock.now(),
    over() {
      open = null;
    },
    async stop() {
      if (!open) return;
      const { ts } = open;
      open = null;
      // What fails here is stopped where the answer is put in its place.
      await api.streams.stop(channel, ts).catch(() => undefined);
    },
  };
  return segments;
}

/** The part of it that means the same whatever follows: no half of a mention, no half of a character. */
function appendable(text: string): string {
  const bracket = text.lastIndexOf('<');
  const isTorn = bracket >= 0 && text.length - bracket < MAX_HELD_BACK && !text.includes('>', bracket);
  const end = Math.min(isTorn ? bracket : text.length, MAX_SEGMENT);
  const whole = end < text.length ? boundaryBefore(text, end) : end;
  const isHalf = /[\ud800-\udbff]/.test(text.charAt(whole - 1));
  return text.slice(0, isHalf ? whole - 1 : whole);
}

/** The name of a thread in the app's list. */
export function titleOf({ request }: SendContext): string | null {
  const title = oneLine(request.text, 60);
  return request.kind === 'message' && title !== '' ? title : null;
}
