// What a person sees while a turn runs: a placeholder at once, the growing text by throttled edits, a line about
// the tool at work, and "typing". Best effort: anything may be dropped, nothing is thrown, and after `close`
// nothing more is written. A turn that was begun before gets a new placeholder and loses the old one: the worker
// that sent it may only be paused, and must find nothing to write into when it wakes. Only where that attempt ended by
// waiting for something (and recorded it) its message is written on: it says what is waited for, however long.

import { Gone, Invalid, isLeaseLost, Refused } from '../../core/errors.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { Clock, ProgressSink, SendContext, TurnEvent } from '../../core/ports.ts';
import { splitMarkdown } from '../../core/split-markdown.ts';
import { waitingText } from '../../core/waiting.ts';
import { oneLine } from '../../text/cut-text.ts';
import { movedAnchor, readAnchor } from './anchor.ts';
import type { TelegramApi } from './api.ts';
import { movedTo } from './api-errors.ts';
import { sendPlaceholder, THINKING } from './placeholder.ts';
import { addressOf, type TelegramAddress } from './reply-target.ts';
import { MAX_MESSAGE_LENGTH, show } from './show.ts';

export interface ProgressDeps {
  readonly api: TelegramApi;
  readonly clock: Clock;
  readonly log: Log;
  /** Least time between two edits in a private chat, and in a group (Telegram allows about 20 a minute there). */
  readonly editEveryMs: { readonly private: number; readonly group: number };
}

/** Telegram shows "typing" for five seconds. */
const TYPING_EVERY_MS = 4_500;
const CUT_OFF = '…\n\n';
/** What an attempt inherits stays as it is for so long. */
const CALM_MS = 4_000;
/** A turn retried for hours would otherwise carry every placeholder it ever had. */
const MAX_DISCARDED = 5;

export function openProgress(deps: ProgressDeps, context: SendContext): ProgressSink {
  const view = createView();
  const ended = new AbortController();
  let wake = () => {};
  let running: Promise<void> | null = null;
  const begin = () => {
    const changed = () => new Promise<void>((resolve) => (wake = resolve));
    running ??= run(deps, context, view, ended.signal, changed).catch((error: unknown) => {
      deps.log('warn', 'progress-ended', { turn: context.request.turnId, ...errorFields(error) });
    });
  };
  // Most presses say nothing of their own: a message comes when the agent goes on.
  if (context.request.kind !== 'answer') begin();
  return {
    push(event) {
      if (ended.signal.aborted) return;
      view.take(event);
      begin();
      wake();
    },
    async close() {
      ended.abort();
      wake();
      await running;
    },
  };
}

async function run(
  deps: ProgressDeps,
  context: SendContext,
  view: View,
  ended: AbortSignal,
  changed: () => Promise<void>,
): Promise<void> {
  const typing = keepTyping(deps, addressOf(context), ended);
  try {
    const mine = await placeholder(deps, context, ended);
    const target = addressOf(context);
    const shown = mine ? await keepEditing(deps, target, mine, view, ended, changed) : '';
    if (view.waits()) await showWaiting(deps, context, target, mine, view.text(), shown);
  } finally {
    await typing;
  }
}

interface Placeholder {
  readonly messageId: number;
  /** It says what the last attempt waited for. */
  readonly inherited: boolean;
}

/** Sends this attempt's own placeholder, or takes one over; null when the turn ended first. */
async function placeholder(
  deps: ProgressDeps,
  context: SendContext,
  ended: AbortSignal,
): Promise<Placeholder | null> {
  const inherited = readAnchor(context.anchor);
  const [last] = inherited.parts;
  if (inherited.waits && last !== undefined) {
    // Recorded first: from here on this attempt may be a paused one to the next.
    const { waits: _, ...rest } = inherited;
    await context.remember({ ...rest, parts: [last], landed: 0, of: null });
    return { messageId: last, inherited: true };
  }
  while (!ended.aborted) {
    const before = readAnchor(context.anchor);
    const old = [...before.discard, ...before.parts].slice(-MAX_DISCARDED);
    const target = addressOf(context);
    try {
      const id = await sendPlaceholder(
        deps.api,
        target,
        { text: THINKING, reply: true, silent: old.length > 0 },
        (fresh) => context.remember({ ...before, parts: [fresh], discard: old, landed: 0, of: null }),
      );
      // What fails here is deleted at delivery.
      for (const stale of old) await deps.api.deleteMessage(target.chatId, stale).catch(() => undefined);
      return { messageId: id, inherited: false };
    } catch (error) {
      const chatId = movedTo(error);
      if (chatId !== null && chatId !== target.chatId) {
        await context.remember(movedAnchor(chatId));
        continue;
      }
      // Only a refusal is tried again: after a lost answer a second one might stand beside the first.
      if (!(error instanceof Refused)) throw error;
      await deps.clock.sleep(error.retryAfterMs, ended);
    }
  }
  return null;
}

async function keepEditing(
  deps: ProgressDeps,
  target: TelegramAddress,
  { messageId, inherited }: Placeholder,
  view: View,
  ended: AbortSignal,
  changed: () => Promise<void>,
): Promise<string> {
  const everyMs = target.private ? deps.editEveryMs.private : deps.editEveryMs.group;
  // A try that fails at once shall not make what is waited for flicker.
  let shown = inherited ? '' : THINKING;
  let prefer: 'rich' | 'plain' = 'rich';
  let waitMs = inherited ? Math.max(everyMs, CALM_MS) : everyMs;
  for (;;) {
    await deps.clock.sleep(waitMs, ended);
    waitMs = everyMs;
    const change = changed();
    if (!ended.aborted && view.text() === shown) await change;
    if (ended.aborted) return shown;
    const text = view.text();
    if (text === shown) continue;
    try {
      prefer = await show(deps.api, target.chatId, messageId, text, prefer);
      shown = text;
    } catch (error) {
      if (error instanceof Refused) waitMs = Math.max(everyMs, error.retryAfterMs);
      else if (error instanceof Invalid) shown = text;
      else if (error instanceof Gone || isLeaseLost(error)) return shown;
      else throw error;
    }
  }
}

/** The last word of an attempt that waits: shown, and left for the next one to go on in. */
async function showWaiting(
  deps: ProgressDeps,
  context: SendContext,
  target: TelegramAddress,
  mine: Placeholder | null,
  text: string,
  shown: string,
): Promise<void> {
  if (mine === null) {
    const message = { text, reply: true, silent: false };
    await sendPlaceholder(deps.api, target, message, (fresh) => left(context, fresh));
    return;
  }
  if (text !== shown) await show(deps.api, target.chatId, mine.messageId, text);
  await left(context, mine.messageId);
}

async function left(context: SendContext, messageId: number): Promise<void> {
  const before = readAnchor(context.anchor);
  await context.remember({ ...before, parts: [messageId], landed: 0, of: null, waits: true });
}

async function keepTyping(deps: ProgressDeps, target: TelegramAddress, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    let waitMs = TYPING_EVERY_MS;
    try {
      await deps.api.sendTyping(target);
    } catch (error) {
      if (!(error instanceof Refused)) return;
      waitMs = Math.max(waitMs, error.retryAfterMs);
    }
    await deps.clock.sleep(waitMs, ended);
  }
}

interface View {
  take(event: TurnEvent): void;
  /** True when nothing goes on until something is back. */
  waits(): boolean;
  text(): string;
}

/** Turns events into the text to show now. */
function createView(): View {
  let said = '';
  let line = '';
  let waits = false;
  return {
    waits: () => waits,
    take(event) {
      waits = event.type === 'status' && event.status === 'waiting';
      if (event.type === 'text') {
        said += event.text;
        line = '';
      } else if (event.type === 'tool') {
        line = event.state === 'started' ? `⚙ ${inCode(event.summary || event.name)}` : '';
      } else if (event.type === 'status') {
        if (event.status === 'retrying') said = '';
        line =
          event.status === 'waiting' ? waitingText(event) : event.status === 'stopping' ? 'Stopping…' : '';
      }
    },
    text() {
      const status = line || (said.trim() === '' ? THINKING : '');
      const room = MAX_MESSAGE_LENGTH - status.length - CUT_OFF.length - 2;
      const parts = said.trim() === '' ? [] : splitMarkdown(said, room);
      const last = parts.at(-1)?.text.trimEnd() ?? '';
      const body = parts.length > 1 ? `${CUT_OFF}${last}` : last;
      return [body, status].filter((piece) => piece !== '').join('\n\n');
    },
  };
}

/** One short line in which every character stands for itself. */
function inCode(text: string): string {
  return `\`${oneLine(text.replaceAll('`', "'"), 80)}\``;
}
