// Lands a committed reply. Slack has no way to send a message once only, so every final text is put in place by an edit of
// a message whose `ts` was recorded before: delivering twice shows it once. Only empty placeholders are ever sent; if the
// answer to such a send is lost, the worst that stays is a lone "…". A text that Slack refuses in every form gives way
// to a line that says so.
import { Gone, Invalid } from '../../core/errors.ts';
import type { TurnId } from '../../core/ids.ts';
import type { SendContext } from '../../core/ports.ts';
import type { Reply } from '../../core/records.ts';
import { supportId } from '../../core/replies.ts';
import { splitMarkdown } from '../../core/split-markdown.ts';
import { digestOf, readAnchor, type SlackAnchor } from './anchor.ts';
import type { MessageContent, SlackApi } from './api.ts';
import { NOTHING_TO_DECIDE, questionsContent } from './buttons.ts';
import { MAX_MESSAGE_LENGTH } from './capabilities.ts';
import { markdownContent, plainContent } from './content.ts';
import { deliverFiles } from './deliver-files.ts';
import { callsNobody } from './message-text.ts';
import { sendPlaceholder, WAITING } from './placeholder.ts';
import { replyTargetOf, type SlackReplyTarget } from './reply-target.ts';

const DEMO_NOTE = '_(Written by the demo model.)_';
/** A message can vanish while we edit it; one that vanishes this often is not worth another. */
const MAX_REPLACEMENTS = 2;

/**
 * Throws `Invalid('refused-content')` when a part was refused in every form, after the person was told and all other
 * parts stand.
 */
export async function deliverToSlack(api: SlackApi, context: SendContext, reply: Reply): Promise<void> {
  const target = replyTargetOf(context.request);
  if (context.request.kind === 'answer') await showDecision(api, context, reply);
  if (reply.quiet) return await takeBack(api, context, target);
  const contents = contentsOf(reply, context.request.turnId);
  const of = digestOf(reply);
  let anchor = readAnchor(context.anchor);
  if (anchor.of !== of) anchor = { ...withoutFiles(anchor), of, landed: 0 };
  const note = async (next: SlackAnchor) => {
    await context.remember(next);
    anchor = next;
  };

  const surplus = anchor.parts.slice(contents.length);
  if (surplus.length > 0) {
    const parts = anchor.parts.slice(0, contents.length);
    await note({ ...anchor, parts, discard: [...anchor.discard, ...surplus] });
  }
  // All messages first, then all texts: the parts stand together even if someone writes meanwhile.
  while (anchor.parts.length < contents.length) {
    await sendPlaceholder(api, target, WAITING, (ts) => note({ ...anchor, parts: [...anchor.parts, ts] }));
  }
  let refusal: Invalid | null = null;
  for (const [index, forms] of contents.entries()) {
    if (index < anchor.landed) continue;
    refusal = (await editPart(api, target, { index, forms }, () => anchor, note)) ?? refusal;
    // The last one of all needs no note: the turn is about to be settled.
    if (index < contents.length - 1 || reply.files) await note({ ...anchor, landed: index + 1 });
  }
  if (reply.files) await deliverFiles({ api, context, target, anchor: () => anchor, note }, reply.files);
  await discard(api, target.channel, anchor.discard);
  if (refusal) throw refusal;
}

function withoutFiles({ files: _, ...anchor }: SlackAnchor): SlackAnchor {
  return anchor;
}

/** In place of the buttons one of which was pressed: who decided what, or that there is nothing to decide any more. */
async function showDecision(api: SlackApi, { request }: SendContext, reply: Reply): Promise<void> {
  const { channel, messageTs } = replyTargetOf(request);
  const isOver = reply.code === 'no-longer-open' || reply.code === 'expired';
  if (messageTs === null || !(reply.answered || isOver)) return;
  try {
    await api.edit(channel, messageTs, reply.answered ? questionsContent(reply.answered) : NOTHING_TO_DECIDE);
  } catch (error) {
    // Deleted, or too old to be changed.
    if (!(error instanceof Gone || error instanceof Invalid)) throw error;
  }
}

/** Nothing is said: what an attempt before has sent goes away again. */
async function takeBack(api: SlackApi, context: SendContext, { channel }: SlackReplyTarget): Promise<void> {
  const { parts, discard: more } = readAnchor(context.anchor);
  await discard(api, channel, [...parts, ...more]);
}

/**
 * Deletes messages of earlier attempts: they may show half an answer. Throws when asking again may help; one that
 * cannot be deleted for good is left.
 */
async function discard(api: SlackApi, channel: string, messages: readonly string[]): Promise<void> {
  for (const ts of messages) {
    try {
      await api.remove(channel, ts);
    } catch (error) {
      if (!(error instanceof Gone || error instanceof Invalid)) throw error;
    }
  }
}

/** One message: the forms it may take, best first. The last one says that the others were refused. */
type Forms = readonly MessageContent[];

/** What the person reads, cut into messages. Never empty: Slack refuses blank messages. */
function contentsOf(reply: Reply, turnId: TurnId): readonly Forms[] {
  const text = reply.demo ? `${reply.text.trimEnd()}\n\n${DEMO_NOTE}` : reply.text;
  // What makes it longer comes before the cut.
  const texts = splitMarkdown(callsNobody(text.toWellFormed()), MAX_MESSAGE_LENGTH).map((part) => part.text);
  const visible = texts.filter((part) => part.trim() !== '');
  const refused = plainContent(refusedText(turnId));
  const parts = (visible.length > 0 ? visible : ['(no text)']).map(
    (part): Forms => [markdownContent(part), plainContent(part), refused],
  );
  return reply.asked ? [...parts, [questionsContent(reply.asked), refused]] : parts;
}

interface Part {
  readonly index: number;
  readonly forms: Forms;
}

/** Returns the refusal when Slack took the text in no form, and the person was told so in its place. */
async function editPart(
  api: SlackApi,
  target: SlackReplyTarget,
  { index, forms }: Part,
  anchor: () => SlackAnchor,
  note: (next: SlackAnchor) => Promise<void>,
): Promise<Invalid | null> {
  let left = forms;
  let refusal: Invalid | null = null;
  for (let replacements = 0; ; ) {
    const ts = anchor().parts[index];
    const [form, ...others] = left;
    try {
      if (ts === undefined || !form) throw new Gone('message-gone', 'No message is recorded for this part.');
      await api.edit(target.channel, ts, form);
      return others.length === 0 ? refusal : null;
    } catch (error) {
      if (isRefusedContent(error) && others.length > 0) {
        refusal = error;
        left = others;
        continue;
      }
      const vanished = error instanceof Gone && error.code === 'message-gone';
      if (!vanished || replacements >= MAX_REPLACEMENTS) throw error;
      replacements++;
    }
    // Somebody deleted it: the text goes into a new message, recorded in the old one's place.
    await sendPlaceholder(api, target, WAITING, (fresh) =>
      note({ ...anchor(), parts: anchor().parts.with(index, fresh) }),
    );
  }
}

export function isRefusedContent(error: unknown): error is Invalid {
  return error instanceof Invalid && error.code === 'refused-content';
}

function refusedText(turnId: TurnId): string {
  return `My answer is ready, but Slack refuses to show this part of it, with formatting and without. It is kept, and the operator can read it. Ask me to put it differently. (Support id: ${supportId(turnId)})`;
}
