// What a person sees while a turn runs. In a private chat a draft, with a button to stop: it is no message, and gone when
// the answer comes. Elsewhere, and where drafts are refused, a placeholder at once, then throttled edits of it.

import { isEdit } from '../../core/edited-message.ts';
import { Gone, Invalid } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Clock, ProgressSink, SendContext } from '../../core/ports.ts';
import { isReaction } from '../../core/reactions.ts';
import {
  keepShowing,
  keepTyping,
  openStream,
  type ProgressSurface,
  type Stream,
} from '../../core/stream-progress.ts';
import { type EditedMessages, showByEdits, showWaiting } from '../edited-progress.ts';
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

export function openProgress(deps: ProgressDeps, context: SendContext): ProgressSink {
  const { kind, turnId } = context.request;
  // A change of a message says nothing of its own, and most presses do not: a message comes when the agent goes on.
  const waitsForEvent = kind === 'answer' || isEdit(context.request) || isReaction(context.request);
  const options = { log: deps.log, turnId, maxLength: MAX_MESSAGE_LENGTH, waitsForEvent };
  return openStream(options, (stream) => run(deps, context, stream));
}

async function run(deps: ProgressDeps, context: SendContext, stream: Stream): Promise<void> {
  const { ended } = stream;
  const sendTyping = () => deps.api.sendTyping(addressOf(context));
  const typing = keepTyping(deps.clock, TYPING_EVERY_MS, sendTyping, ended);
  const messages = messagesOf(deps, context);
  try {
    if (deps.drafts && addressOf(context).private && !readAnchor(context.anchor).waits) {
      const taken = await keepDrafting(deps, context, stream);
      if (taken) return await showWaiting(messages, stream, null, '');
    }
    await showByEdits(messages, stream);
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

function messagesOf(
  { api, clock, editEveryMs, answer }: ProgressDeps,
  context: SendContext,
): EditedMessages<number> {
  let prefer: 'rich' | 'plain' = 'rich';
  return {
    clock,
    context,
    everyMs: addressOf(context).private ? editEveryMs.private : editEveryMs.group,
    anchor: () => readAnchor(context.anchor),
    send(text, how, record) {
      const silent = how === 'again' || (how === 'first' && answer === 'new-message');
      return sendPlaceholder(api, addressOf(context), { text, reply: true, silent }, record);
    },
    async show(messageId, text) {
      prefer = await show(api, addressOf(context).chatId, messageId, text, prefer);
    },
    remove: (messageId) => api.deleteMessage(addressOf(context).chatId, messageId),
    async hasMoved(error) {
      const chatId = movedTo(error);
      if (chatId === null || chatId === addressOf(context).chatId) return false;
      await context.remember(movedAnchor(chatId));
      return true;
    },
  };
}
