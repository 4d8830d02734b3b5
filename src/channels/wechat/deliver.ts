// Lands a committed reply within what WeChat allows: five messages after each one of the person, for 48 hours. What does not
// fit any more is owed, and the next message of the person brings it, in front of its own answer. While newer messages
// wait, the last message that may be sent is kept for them: an older reply is merged into their answer instead.
// WeChat takes no id for a message, so one whose confirmation was lost is sent once more, and says so.

import { Gone, Invalid, isLeaseLost, Owed, Refused } from '../../core/errors.ts';
import type { TurnId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import type { Clock, SendContext } from '../../core/ports.ts';
import type { Reply } from '../../core/records.ts';
import { carriedBy, owedBefore, sentSinceAsked, somebodyWaits, wholeText } from '../tencent/owed.ts';
import { digestOf, readNote, type SendNote } from '../tencent/send-note.ts';
import { tellBrought } from '../tencent/tell-brought.ts';
import type { WechatApi } from './api.ts';
import { MORE_FOLLOWS, messagesOf, refusedText, SENT_AGAIN, textOf } from './message-text.ts';
import { replyTargetOf } from './reply-target.ts';

export interface DeliverDeps {
  readonly api: WechatApi;
  readonly clock: Clock;
  readonly log: Log;
}

/** Why the rest is owed. */
const OWED = {
  held: ['held-for-next', 'A newer message waits: its answer brings this one.'],
  rest: ['reply-quota-used', 'No more messages may be sent: the next message of the person brings the rest.'],
} as const;

export async function deliverToWechat(deps: DeliverDeps, context: SendContext, reply: Reply): Promise<void> {
  const { turnId } = context.request;
  const { openId, allowance } = replyTargetOf(context.request);
  const turns = (await context.earlier?.turns()) ?? [];
  let anchor = readNote(context.anchor);
  const carries = anchor.of === null ? owedBefore(turns, turnId) : anchor.carries;
  const text = wholeText({ textOf, messagesOf }, turns, carries, textOf(reply));
  if (text === '') return;
  const parts = messagesOf(text);
  const note = async (change: Partial<SendNote>) => {
    const next = { ...anchor, ...change };
    await context.remember(next);
    anchor = next;
  };
  const owe = async ([code, message]: readonly [string, string], cause?: unknown): Promise<never> => {
    await note({ owes: true, trying: null });
    throw new Owed(code, message, { cause });
  };
  const of = digestOf(text);
  if (anchor.of !== of) await note({ of, carries: [...carries], sent: 0, trying: null });
  if (anchor.owes) await note({ owes: false });

  const own = turns.find((turn) => turn.turnId === turnId);
  const others = turns.filter((turn) => turn.turnId !== turnId);
  // Sends of this turn are counted from its note, which is newer than the list.
  const used = () => sentSinceAsked(own ? [...others, { ...own, anchor }] : []);
  const room = () => allowance - (own ? used() : anchor.sends.length);
  const keeps = somebodyWaits(turns, turnId) ? 1 : 0;
  if (keeps > 0 && parts.length - anchor.sent > room() - keeps) await owe(OWED.held);

  let refusal: Invalid | null = null;
  // Our count is a guess, WeChat's is the truth: one message is always tried.
  for (let tries = 0; anchor.sent < parts.length; tries++) {
    if (tries > 0 && room() <= 0) await owe(OWED.rest);
    // Twice begun and never confirmed: a third one would only be in the way.
    if (anchor.trying === 'again') {
      await note({ sent: anchor.sent + 1, trying: null });
      continue;
    }
    const again = anchor.trying === 'once';
    const before = anchor;
    const isLast = anchor.sent === parts.length - 1;
    const endsHere = !isLast && room() <= 1;
    const body = parts[anchor.sent]?.text ?? '';
    await note({ trying: again ? 'again' : 'once', sends: [...anchor.sends, deps.clock.now()] });
    const message = `${again ? SENT_AGAIN : ''}${body}${endsHere ? MORE_FOLLOWS : ''}`;
    try {
      refusal = (await sendOrSayRefused(deps.api, openId, message, turnId)) ?? refusal;
    } catch (error) {
      if (isLeaseLost(error)) throw error;
      // It is known that nothing arrived.
      if (error instanceof Refused) await note({ trying: before.trying, sends: before.sends });
      if (error instanceof Gone) {
        await note({ sends: before.sends });
        if (error.code !== 'chat-gone') await owe([error.code, error.message], error);
      }
      throw error;
    }
    await note({ sent: anchor.sent + 1, trying: null });
  }
  await tellBrought(deps.log, context, carriedBy(turns, carries));
  if (refusal) throw refusal;
}

/** Returns the refusal when WeChat did not take the text, and the person was told so in its place. */
async function sendOrSayRefused(
  api: WechatApi,
  openId: string,
  text: string,
  turnId: TurnId,
): Promise<Invalid | null> {
  try {
    await api.sendText(openId, text);
    return null;
  } catch (error) {
    if (!(error instanceof Invalid && error.code === 'refused-content')) throw error;
    await api.sendText(openId, refusedText(turnId));
    return error;
  }
}
