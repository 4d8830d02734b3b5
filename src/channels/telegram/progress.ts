// What a person sees while a turn runs: a placeholder at once, the growing text by throttled edits, a line about
// the tool at work, and "typing". Best effort: anything may be dropped, nothing is thrown, and after `close`
// nothing more is written. A turn that was begun before gets a new placeholder and loses the old one: the worker
// that sent it may only be paused, and must find nothing to write into when it wakes.

import { Gone, Invalid, isLeaseLost, Refused } from '../../core/errors.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { Clock, ProgressSink, SendContext, TurnEvent } from '../../core/ports.ts';
import { splitMarkdown } from '../../core/split-markdown.ts';
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
/** A turn retried for hours would otherwise carry every placeholder it ever had. */
const MAX_DISCARDED = 5;

export function openProgress(deps: ProgressDeps, context: SendContext): ProgressSink {
  const view = createView();
  const ended = new AbortController();
  let wake = () => {};
  const running = run(
    deps,
    context,
    view,
    ended.signal,
    () => new Promise<void>((resolve) => (wake = resolve)),
  ).catch((error: unknown) => {
    deps.log('warn', 'progress-ended', { turn: context.request.turnId, ...errorFields(error) });
  });
  return {
    push(event) {
      if (ended.signal.aborted) return;
      view.take(event);
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
    const messageId = await placeholder(deps, context, ended);
    if (messageId !== null) await keepEditing(deps, addressOf(context), messageId, view, ended, changed);
  } finally {
    await typing;
  }
}

/** Sends this attempt's own placeholder; null when the turn ended first. */
async function placeholder(
  deps: ProgressDeps,
  context: SendContext,
  ended: AbortSignal,
): Promise<number | null> {
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
      return id;
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
  messageId: number,
  view: View,
  ended: AbortSignal,
  changed: () => Promise<void>,
): Promise<void> {
  const everyMs = target.private ? deps.editEveryMs.private : deps.editEveryMs.group;
  let shown = THINKING;
  let prefer: 'rich' | 'plain' = 'rich';
  let waitMs = everyMs;
  for (;;) {
    await deps.clock.sleep(waitMs, ended);
    waitMs = everyMs;
    const change = changed();
    if (!ended.aborted && view.text() === shown) await change;
    if (ended.aborted) return;
    const text = view.text();
    if (text === shown) continue;
    try {
      prefer = await show(deps.api, target.chatId, messageId, text, prefer);
      shown = text;
    } catch (error) {
      if (error instanceof Refused) waitMs = Math.max(everyMs, error.retryAfterMs);
      else if (error instanceof Invalid) shown = text;
      else if (error instanceof Gone || isLeaseLost(error)) return;
      else throw error;
    }
  }
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
  text(): string;
}

/** Turns events into the text to show now. */
function createView(): View {
  let said = '';
  let line = '';
  return {
    take(event) {
      if (event.type === 'text') {
        said += event.text;
        line = '';
      } else if (event.type === 'tool') {
        line = event.state === 'started' ? `⚙ ${inCode(event.summary || event.name)}` : '';
      } else if (event.type === 'status') {
        line = event.status === 'stopping' ? 'Stopping…' : '';
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
