// `/newchat`: opens a conversation beside this one, with the text as its first message. The message is in the ledger and in
// the queue before the command is committed, under an id made from the command's: a repeat finds both there.
import { oneLine } from '../text/cut-text.ts';
import { turnRequest } from './messages.ts';
import { isCommitted, type Reply } from './records.ts';
import { NO_PLACE } from './replies.ts';
import type { RunningTurn } from './running-turn.ts';

/** Ends the id of the message. */
const OPENED = '.opened';
const MAX_TITLE = 60;

export async function newChatReply(running: RunningTurn, text: string): Promise<Reply> {
  const { deps, request } = running;
  const title = oneLine(text, MAX_TITLE);
  const place = deps.send && (await running.openConversation(title));
  if (!place) return { outcome: 'failed', ...NO_PLACE };
  const { tenant, channel, bot, chat, thread, replyTarget, title: shown } = place;
  const first = turnRequest({
    conversation: { tenant, channel, bot, chat, thread },
    dedupeId: `${request.dedupeId}${OPENED}`,
    text,
    sender: request.sender,
    replyTarget: replyTarget ?? request.replyTarget,
    receivedAtMs: request.receivedAtMs,
  });
  const accepted = await deps.store.accept(first, deps.retentionSec);
  if (!isCommitted(accepted)) await deps.send?.(first);
  return { outcome: 'ok', text: `Opened “${shown ?? thread ?? chat}”. It begins with your message.` };
}
