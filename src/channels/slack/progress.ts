// What a person sees while a turn runs: a placeholder at once, and the growing text by throttled edits. Best effort:
// anything may be dropped, nothing is thrown, and after `close` nothing more is written. A turn that was begun before gets
// a new placeholder and loses the old one: the worker that sent it may only be paused, and must find nothing to write into
// when it wakes. Only where that attempt ended by waiting for something (and recorded it) its message is written on.
import { Gone, Invalid, isLeaseLost, Refused } from '../../core/errors.ts';
import { errorFields, type Log } from '../../core/log.ts';
import type { Clock, ProgressSink, SendContext } from '../../core/ports.ts';
import { readAnchor } from './anchor.ts';
import type { SlackApi } from './api.ts';
import { markdownContent, plainContent } from './content.ts';
import { isRefusedContent } from './deliver.ts';
import { sendPlaceholder, THINKING } from './placeholder.ts';
import { replyTargetOf, type SlackReplyTarget } from './reply-target.ts';
import { createView, type View } from './view.ts';

export interface ProgressDeps {
  readonly api: SlackApi;
  readonly clock: Clock;
  readonly log: Log;
  /** Least time between two edits: Slack counts them for a whole workspace, about 50 a minute. */
  readonly editEveryMs: number;
}

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
  const target = replyTargetOf(context.request);
  const mine = await placeholder(deps, context, target, ended);
  const shown = mine ? await keepEditing(deps, target, mine, view, ended, changed) : '';
  if (view.waits()) await showWaiting(deps, context, target, mine, view.text(), shown);
}

interface Placeholder {
  readonly ts: string;
  /** It says what the last attempt waited for. */
  readonly inherited: boolean;
}

/** Sends this attempt's own placeholder, or takes one over; null when the turn ended first. */
async function placeholder(
  deps: ProgressDeps,
  context: SendContext,
  target: SlackReplyTarget,
  ended: AbortSignal,
): Promise<Placeholder | null> {
  const inherited = readAnchor(context.anchor);
  const [last] = inherited.parts;
  if (inherited.waits && last !== undefined) {
    // Recorded first: from here on this attempt may be a paused one to the next.
    const { waits: _, ...rest } = inherited;
    await context.remember({ ...rest, parts: [last], landed: 0, of: null });
    return { ts: last, inherited: true };
  }
  while (!ended.aborted) {
    const before = readAnchor(context.anchor);
    const old = [...before.discard, ...before.parts].slice(-MAX_DISCARDED);
    try {
      const ts = await sendPlaceholder(deps.api, target, THINKING, (fresh) =>
        context.remember({ ...before, parts: [fresh], discard: old, landed: 0, of: null }),
      );
      // What fails here is deleted at delivery.
      for (const stale of old) await deps.api.remove(target.channel, stale).catch(() => undefined);
      return { ts, inherited: false };
    } catch (error) {
      // Only a refusal is tried again: after a lost answer a second one might stand beside the first.
      if (!(error instanceof Refused)) throw error;
      await deps.clock.sleep(error.retryAfterMs, ended);
    }
  }
  return null;
}

async function keepEditing(
  deps: ProgressDeps,
  target: SlackReplyTarget,
  { ts, inherited }: Placeholder,
  view: View,
  ended: AbortSignal,
  changed: () => Promise<void>,
): Promise<string> {
  const { editEveryMs: everyMs } = deps;
  // A try that fails at once shall not make what is waited for flicker.
  let shown = inherited ? '' : THINKING;
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
      await show(deps.api, target.channel, ts, text);
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
  target: SlackReplyTarget,
  mine: Placeholder | null,
  text: string,
  shown: string,
): Promise<void> {
  if (mine === null) {
    await sendPlaceholder(deps.api, target, text, (fresh) => left(context, fresh));
    return;
  }
  if (text !== shown) await show(deps.api, target.channel, mine.ts, text);
  await left(context, mine.ts);
}

async function left(context: SendContext, ts: string): Promise<void> {
  const before = readAnchor(context.anchor);
  await context.remember({ ...before, parts: [ts], landed: 0, of: null, waits: true });
}

async function show(api: SlackApi, channel: string, ts: string, text: string): Promise<void> {
  try {
    await api.edit(channel, ts, markdownContent(text));
  } catch (error) {
    if (!isRefusedContent(error)) throw error;
    await api.edit(channel, ts, plainContent(text));
  }
}
