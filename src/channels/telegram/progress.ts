// What a person sees while a turn runs. In a private chat a draft, with a button to stop: it is no message, and gone when
// the answer comes. Elsewhere, and where drafts are refused, a placeholder at once, then throttled edits of it. A turn that was
// begun before gets a new placeholder and loses the old one: the worker that sent it may only be paused, and must find
// nothing to write into when it wakes. Only where that attempt ended by waiting for something (and recorded it) its
// message is written on: it says what is waited for, however long.

import { isEdit } from '../../core/edited-message.ts';
import { Gone, Invalid, Refused } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Clock, ProgressSink, SendContext } from '../../core/ports.ts';
import { THINKING } from '../../core/progress-text.ts';
import {
  keepShowing,
  keepTyping,
  openStream,
  type ProgressSurface,
  type Stream,
} from '../../core/stream-progress.ts';
import { movedAnchor, readAnchor } from './anchor.ts';
import type { TelegramApi } from './api.ts';
import { movedTo } from './api-errors.ts';
import { MAX_MESSAGE_LENGTH } from './capabilities.ts';
import { showDraft } from './draft.ts';
import { draftIdOf } from './draft-id.ts';
import { sendPlaceholder } from './placeholder.ts';
import { addressOf } from './reply-target.ts';
import { show } from './show.ts';

/** `edit`: the answer takes the placeholder's place. `new-message`: it is a message of its own, for which the phone rings. */
export type AnswerPlace = 'edit' | 'new-message';

export interface ProgressDeps {
  readonly api: TelegramApi;
  readonly clock: Clock;
  readonly log: Log;
  /** Least time between two edits in a private chat, and in a group (Telegram allows about 20 a minute there). */
  readonly editEveryMs: { readonly private: number; readonly group: number };
  /** Private chats see drafts instead of edits. */
  readonly drafts: boolean;
  readonly answer: AnswerPlace;
}

/** Telegram shows "typing" for five seconds. */
const TYPING_EVERY_MS = 4_500;
/** A draft is shown for 30 seconds. */
const DRAFT_FADES_MS = 20_000;
/** What an attempt inherits stays as it is for so long. */
const CALM_MS = 4_000;
/** A turn retried for hours would otherwise carry every placeholder it ever had. */
const MAX_DISCARDED = 5;

export function openProgress(deps: ProgressDeps, context: SendContext): ProgressSink {
  const { kind, turnId } = context.request;
  // A change of a message says nothing of its own, and most presses do not: a message comes when the agent goes on.
  const waitsForEvent = kind === 'answer' || isEdit(context.request);
  const options = { log: deps.log, turnId, maxLength: MAX_MESSAGE_LENGTH, waitsForEvent };
  return openStream(options, (stream) => run(deps, context, stream));
}

async function run(deps: ProgressDeps, context: SendContext, stream: Stream): Promise<void> {
  const { ended, text } = stream;
  const sendTyping = () => deps.api.sendTyping(addressOf(context));
  const typing = keepTyping(deps.clock, TYPING_EVERY_MS, sendTyping, ended);
  try {
    if (deps.drafts && addressOf(context).private && !readAnchor(context.anchor).waits) {
      const taken = await keepDrafting(deps, context, stream);
      if (taken) {
        if (text.waits()) await showWaiting(deps, context, null, text.text(), '');
        return;
      }
    }
    const mine = await placeholder(deps, context, ended);
    const shown = mine ? await keepEditing(deps, context, mine, stream) : '';
    if (text.waits()) await showWaiting(deps, context, mine, text.text(), shown);
  } finally {
    await typing;
  }
}

/** A draft is no message: nothing of it can remain, so nothing is recorded. False when this chat takes none. */
async function keepDrafting(deps: ProgressDeps, context: SendContext, stream: Stream): Promise<boolean> {
  const { api, clock } = deps;
  const target = addressOf(context);
  const draftId = draftIdOf(context.request.turnId);
  let isTaken = true;
  const surface: ProgressSurface = {
    everyMs: deps.editEveryMs.private,
    fadesMs: DRAFT_FADES_MS,
    async show(text) {
      try {
        await showDraft(api, target, draftId, text);
      } catch (error) {
        if (!(error instanceof Invalid || error instanceof Gone)) throw error;
        isTaken = false;
        throw new Gone('no-drafts', 'This chat takes no drafts.', { cause: error });
      }
    },
  };
  // A worker that was paused must not show its old text over another one's.
  const stillOurs = () => context.remember({ ...readAnchor(context.anchor) });
  await keepShowing(clock, surface, stream, { shown: '', firstAfterMs: 0, stillOurs });
  return isTaken;
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
        { text: THINKING, reply: true, silent: deps.answer === 'new-message' || old.length > 0 },
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
  { api, clock, editEveryMs }: ProgressDeps,
  context: SendContext,
  { messageId, inherited }: Placeholder,
  stream: Stream,
): Promise<string> {
  const target = addressOf(context);
  const everyMs = target.private ? editEveryMs.private : editEveryMs.group;
  let prefer: 'rich' | 'plain' = 'rich';
  const surface: ProgressSurface = {
    everyMs,
    async show(text) {
      prefer = await show(api, target.chatId, messageId, text, prefer);
    },
  };
  // A try that fails at once shall not make what is waited for flicker.
  const start = inherited
    ? { shown: '', firstAfterMs: Math.max(everyMs, CALM_MS) }
    : { shown: THINKING, firstAfterMs: everyMs };
  return await keepShowing(clock, surface, stream, start);
}

/** The last word of an attempt that waits: shown, and left for the next one to go on in. */
async function showWaiting(
  deps: ProgressDeps,
  context: SendContext,
  mine: Placeholder | null,
  text: string,
  shown: string,
): Promise<void> {
  const target = addressOf(context);
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
  const discard = [...before.discard, ...before.parts.filter((id) => id !== messageId)].slice(-MAX_DISCARDED);
  await context.remember({ ...before, parts: [messageId], discard, landed: 0, of: null, waits: true });
}
