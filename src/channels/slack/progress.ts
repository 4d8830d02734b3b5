// What a person sees while a turn runs: a placeholder at once, then throttled edits of it. A turn that was begun before gets a
// new placeholder and loses the old one: the worker that sent it may only be paused, and must find nothing to write into
// when it wakes. Only where that attempt ended by waiting for something (and recorded it) its message is written on.
import { Refused } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Clock, ProgressSink, SendContext } from '../../core/ports.ts';
import { THINKING } from '../../core/progress-text.ts';
import { keepShowing, openStream, type Stream } from '../../core/stream-progress.ts';
import { readAnchor } from './anchor.ts';
import type { SlackApi } from './api.ts';
import { MAX_MESSAGE_LENGTH } from './capabilities.ts';
import { markdownContent, plainContent } from './content.ts';
import { isRefusedContent } from './deliver.ts';
import { sendPlaceholder } from './placeholder.ts';
import { replyTargetOf } from './reply-target.ts';

export interface ProgressDeps {
  readonly api: SlackApi;
  readonly clock: Clock;
  readonly log: Log;
  /** Least time between two edits: Slack counts them for a whole workspace, about 50 a minute. */
  readonly editEveryMs: number;
}

/** What keeps a text from calling a channel makes it longer. */
const MAX_SHOWN = MAX_MESSAGE_LENGTH - 1_000;
/** What an attempt inherits stays as it is for so long. */
const CALM_MS = 4_000;
/** A turn retried for hours would otherwise carry every placeholder it ever had. */
const MAX_DISCARDED = 5;

export function openProgress(deps: ProgressDeps, context: SendContext): ProgressSink {
  const { kind, turnId } = context.request;
  // Most presses say nothing of their own: a message comes when the agent goes on.
  const options = { log: deps.log, turnId, maxLength: MAX_SHOWN, waitsForEvent: kind === 'answer' };
  return openStream(options, (stream) => run(deps, context, stream));
}

async function run(deps: ProgressDeps, context: SendContext, stream: Stream): Promise<void> {
  const { ended, text } = stream;
  const mine = await placeholder(deps, context, ended);
  const shown = mine ? await keepEditing(deps, context, mine, stream) : '';
  if (text.waits()) await showWaiting(deps, context, mine, text.text(), shown);
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
  ended: AbortSignal,
): Promise<Placeholder | null> {
  const target = replyTargetOf(context.request);
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
  { api, clock, editEveryMs: everyMs }: ProgressDeps,
  context: SendContext,
  { ts, inherited }: Placeholder,
  stream: Stream,
): Promise<string> {
  const { channel } = replyTargetOf(context.request);
  const surface = { everyMs, show: (text: string) => show(api, channel, ts, text) };
  // A try that fails at once shall not make what is waited for flicker.
  const start = inherited
    ? { shown: '', firstAfterMs: Math.max(everyMs, CALM_MS) }
    : { shown: THINKING, firstAfterMs: everyMs };
  return await keepShowing(clock, surface, stream, start);
}

/** The last word of an attempt that waits: shown, and left for the next one to go on in. */
async function showWaiting(
  { api }: ProgressDeps,
  context: SendContext,
  mine: Placeholder | null,
  text: string,
  shown: string,
): Promise<void> {
  const target = replyTargetOf(context.request);
  if (mine === null) {
    await sendPlaceholder(api, target, text, (fresh) => left(context, fresh));
    return;
  }
  if (text !== shown) await show(api, target.channel, mine.ts, text);
  await left(context, mine.ts);
}

async function left(context: SendContext, ts: string): Promise<void> {
  const before = readAnchor(context.anchor);
  const discard = [...before.discard, ...before.parts.filter((part) => part !== ts)].slice(-MAX_DISCARDED);
  await context.remember({ ...before, parts: [ts], discard, landed: 0, of: null, waits: true });
}

async function show(api: SlackApi, channel: string, ts: string, text: string): Promise<void> {
  try {
    await api.edit(channel, ts, markdownContent(text));
  } catch (error) {
    if (!isRefusedContent(error)) throw error;
    await api.edit(channel, ts, plainContent(text));
  }
}
