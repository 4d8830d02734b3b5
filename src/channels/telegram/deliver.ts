// Lands a committed reply. Every final text is put in place by an edit of a message whose id was recorded before,
// so delivering twice shows it once. Only empty placeholders are ever sent: if the answer to such a send is lost,
// the worst that stays in the chat is a lone "…", never a second copy of the reply. A text that Telegram refuses in
// every form gives way to a line that says so: nobody is left with a placeholder.

import { Gone, Invalid } from '../../core/errors.ts';
import type { TurnId } from '../../core/ids.ts';
import type { SendContext } from '../../core/ports.ts';
import type { Reply } from '../../core/records.ts';
import { supportId } from '../../core/replies.ts';
import { splitMarkdown } from '../../core/split-markdown.ts';
import { digestOf, movedAnchor, readAnchor, type TelegramAnchor } from './anchor.ts';
import type { TelegramApi } from './api.ts';
import { movedTo } from './api-errors.ts';
import { type Buttons, buttonsFor } from './buttons.ts';
import { MAX_MESSAGE_LENGTH } from './capabilities.ts';
import { deliverFiles } from './deliver-files.ts';
import { sendPlaceholder, WAITING } from './placeholder.ts';
import type { AnswerPlace } from './progress.ts';
import { addressOf, replyTargetOf, type TelegramAddress } from './reply-target.ts';
import { show } from './show.ts';

const DEMO_NOTE = '_(Written by the demo model.)_';
/** A message can vanish while we edit it; one that vanishes this often is not worth another. */
const MAX_REPLACEMENTS = 2;

/**
 * Throws `Invalid('refused-content')` when a part was refused in every form, after the person was told and all other
 * parts stand. A group that has become a supergroup gets the reply there.
 */
export async function deliverToTelegram(
  api: TelegramApi,
  context: SendContext,
  reply: Reply,
  answer: AnswerPlace = 'edit',
): Promise<void> {
  try {
    await deliverWhereItIs(api, context, reply, answer);
  } catch (error) {
    const chatId = movedTo(error);
    if (chatId === null || chatId === addressOf(context).chatId) throw error;
    await context.remember(movedAnchor(chatId));
    await deliverWhereItIs(api, context, reply, answer);
  }
}

async function deliverWhereItIs(
  api: TelegramApi,
  context: SendContext,
  reply: Reply,
  answer: AnswerPlace,
): Promise<void> {
  const target = addressOf(context);
  if (context.request.kind === 'answer') await showDecision(api, context, reply);
  if (reply.quiet) return await takeBack(api, context, target);
  const texts = partsOf(reply);
  const of = digestOf(reply);
  let anchor = readAnchor(context.anchor);
  if (anchor.of !== of) {
    anchor = { ...withoutFiles(anchor), of, landed: 0 };
    // Recorded with the first message of the answer: until then a repeat begins here again.
    if (answer === 'new-message') {
      anchor = { ...anchor, parts: [], discard: [...anchor.discard, ...anchor.parts] };
    }
  }
  const note = async (next: TelegramAnchor) => {
    await context.remember(next);
    anchor = next;
  };

  const surplus = anchor.parts.slice(texts.length);
  if (surplus.length > 0) {
    await note({
      ...anchor,
      parts: anchor.parts.slice(0, texts.length),
      discard: [...anchor.discard, ...surplus],
    });
  }
  // All messages first, then all texts: the parts stand together even if someone writes meanwhile.
  while (anchor.parts.length < texts.length) {
    await addPart(api, target, anchor, note);
  }
  let refusal: Invalid | null = null;
  for (let index = anchor.landed; index < texts.length; index++) {
    const isLast = index === texts.length - 1;
    const part = {
      ...{ index, text: texts[index] ?? '', turnId: context.request.turnId },
      ...(isLast && reply.asked && { buttons: buttonsFor(reply.asked) }),
    };
    refusal = (await sendOrEditPart(api, target, part, () => anchor, note)) ?? refusal;
    // The last one of all needs no note: the turn is about to be settled.
    if (!isLast || reply.files) await note({ ...anchor, landed: index + 1 });
  }
  if (reply.files) await deliverFiles({ api, context, target, anchor: () => anchor, note }, reply.files);
  await discard(api, target.chatId, anchor.discard);
  if (refusal) throw refusal;
}

/** Beside the question whose button was pressed: who decided what, or nothing to press any more. */
async function showDecision(api: TelegramApi, context: SendContext, reply: Reply): Promise<void> {
  const { chatId, messageId } = replyTargetOf(context.request);
  const isOver = reply.code === 'no-longer-open' || reply.code === 'expired';
  if (!reply.answered && !isOver) return;
  try {
    await api.editButtons(chatId, messageId, buttonsFor(reply.answered ?? []));
  } catch (error) {
    // Deleted, or too old to be changed.
    if (!(error instanceof Gone || error instanceof Invalid)) throw error;
  }
}

/** Nothing is said: what an attempt before has sent goes away again. */
async function takeBack(api: TelegramApi, context: SendContext, target: TelegramAddress): Promise<void> {
  const { parts, discard: more } = readAnchor(context.anchor);
  await discard(api, target.chatId, [...parts, ...more]);
}

/**
 * Deletes messages of earlier attempts: they may show half an answer. Throws when asking again may help; one that
 * cannot be deleted for good (after two days, in a chat that is gone) is left.
 */
async function discard(api: TelegramApi, chatId: number, messages: readonly number[]): Promise<void> {
  for (const id of messages) {
    try {
      await api.deleteMessage(chatId, id);
    } catch (error) {
      if (!(error instanceof Gone || error instanceof Invalid)) throw error;
    }
  }
}

/** What the person reads, cut into messages. Never empty: Telegram refuses blank messages. */
function partsOf(reply: Reply): readonly string[] {
  const text = reply.demo ? `${reply.text.trimEnd()}\n\n${DEMO_NOTE}` : reply.text;
  const texts = splitMarkdown(text, MAX_MESSAGE_LENGTH).map((part) => part.text);
  const visible = texts.filter((part) => part.trim() !== '');
  return visible.length > 0 ? visible : ['(no text)'];
}

function withoutFiles({ files: _, ...anchor }: TelegramAnchor): TelegramAnchor {
  return anchor;
}

type Note = (next: TelegramAnchor) => Promise<void>;

async function addPart(
  api: TelegramApi,
  target: TelegramAddress,
  anchor: TelegramAnchor,
  note: Note,
): Promise<void> {
  const first = anchor.parts.length === 0;
  await sendPlaceholder(api, target, { text: WAITING, reply: first, silent: !first }, (id) =>
    note({ ...anchor, parts: [...anchor.parts, id] }),
  );
}

interface Part {
  readonly index: number;
  readonly text: string;
  readonly turnId: TurnId;
  readonly buttons?: Buttons;
}

/** Returns the refusal when Telegram took the text in no form, and the person was told so in its place. */
async function sendOrEditPart(
  api: TelegramApi,
  target: TelegramAddress,
  { index, text, turnId, buttons }: Part,
  anchor: () => TelegramAnchor,
  note: Note,
): Promise<Invalid | null> {
  let refusal: Invalid | null = null;
  for (let replacements = 0; ; ) {
    const id = anchor().parts[index];
    try {
      if (id === undefined) throw new Gone('message-gone', 'No message is recorded for this part.');
      if (refusal === null) await show(api, target.chatId, id, text, 'rich', buttons);
      else await api.edit(target.chatId, id, { plain: refusedText(turnId) });
      return refusal;
    } catch (error) {
      if (error instanceof Invalid && error.code === 'refused-content' && refusal === null) {
        refusal = error;
        continue;
      }
      const vanished = error instanceof Gone && error.code === 'message-gone';
      if (!vanished || replacements >= MAX_REPLACEMENTS) throw error;
      replacements++;
    }
    // Somebody deleted it: the text goes into a new message, recorded in the old one's place.
    await sendPlaceholder(api, target, { text: WAITING, reply: index === 0, silent: true }, (fresh) =>
      note({ ...anchor(), parts: anchor().parts.with(index, fresh) }),
    );
  }
}

function refusedText(turnId: TurnId): string {
  return `My answer is ready, but Telegram refuses to show this part of it, with formatting and without. It is kept, and the operator can read it. Ask me to put it differently. (Support id: ${supportId(turnId)})`;
}
