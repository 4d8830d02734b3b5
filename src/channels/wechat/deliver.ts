// Lands a committed reply within what WeChat allows: five messages after each one of the person, for 48 hours, texts first and
// then files. What does not fit any more is owed, and the next message of the person brings it, in front of its own answer.
// While newer messages wait, the last message that may be sent is kept for them: an older reply is merged into their answer
// instead. WeChat takes no id for a message, so a text whose confirmation was lost is sent once more, and says so.

import { Gone, type Invalid, isLeaseLost, Owed, Refused } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Clock, SendContext } from '../../core/ports.ts';
import type { Reply } from '../../core/records.ts';
import {
  carriedBy,
  owedBefore,
  sentSinceAsked,
  somebodyWaits,
  type Wording,
  wholeFiles,
  wholeText,
} from '../tencent/owed.ts';
import { digestOf, readNote, type SendNote } from '../tencent/send-note.ts';
import { tellBrought } from '../tencent/tell-brought.ts';
import type { WechatApi } from './api.ts';
import { sentAsMedia } from './media.ts';
import { MORE_FOLLOWS, messagesOf, textOf } from './message-text.ts';
import { replyTargetOf } from './reply-target.ts';
import { type Piece, sendPiece } from './send-piece.ts';

export interface DeliverDeps {
  readonly api: WechatApi;
  readonly clock: Clock;
  readonly log: Log;
}

const WORDING: Wording = { textOf, messagesOf, filesOf: ({ files }) => sentAsMedia(files) };

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
  const text = wholeText(WORDING, turns, carries, textOf(reply));
  const pieces: readonly Piece[] = [
    ...messagesOf(text).map((part) => ({ text: part.text })),
    ...wholeFiles(WORDING, turns, carries, WORDING.filesOf(reply)).map((file) => ({ file })),
  ];
  if (pieces.length === 0) return;
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
  if (keeps > 0 && pieces.length - anchor.sent > room() - keeps) await owe(OWED.held);

  let refusal: Invalid | null = null;
  // Our count is a guess, WeChat's is the truth: one message is always tried.
  for (let tries = 0; anchor.sent < pieces.length; tries++) {
    if (tries > 0 && room() <= 0) await owe(OWED.rest);
    // Twice begun and never confirmed: a third one would only be in the way.
    if (anchor.trying === 'again') {
      await note({ sent: anchor.sent + 1, trying: null });
      continue;
    }
    const again = anchor.trying === 'once';
    const before = anchor;
    const piece = pieces[anchor.sent] ?? { text: '' };
    const endsHere = anchor.sent < pieces.length - 1 && room() <= 1;
    // A picture cannot say that more follows: the last message that may be sent says so in its place.
    const isAnnounced = endsHere && 'file' in piece;
    const shown = isAnnounced ? { text: MORE_FOLLOWS.trimStart() } : piece;
    await note({
      ...(isAnnounced ? {} : { trying: again ? 'again' : 'once' }),
      sends: [...anchor.sends, deps.clock.now()],
    });
    try {
      const how = { again: again && !isAnnounced, endsHere: endsHere && !isAnnounced };
      refusal = (await sendPiece(deps.api, context, openId, shown, how)) ?? refusal;
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
    if (isAnnounced) await owe(OWED.rest);
    await note({ sent: anchor.sent + 1, trying: null });
  }
  await tellBrought(deps.log, context, carriedBy(turns, carries));
  if (refusal) throw refusal;
}
