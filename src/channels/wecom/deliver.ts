// Lands a committed reply with the one message that WeCom takes for each message of a person, within an hour. What is longer,
// or later, is owed: the next message brings it in front of its own answer. An address takes one message and no more, so
// asking again after a lost answer shows nothing twice.

import { Gone, Owed, Refused } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Clock, SendContext } from '../../core/ports.ts';
import type { Reply } from '../../core/records.ts';
import { carriedBy, owedBefore, wholeText } from '../tencent/owed.ts';
import { digestOf, readNote, type SendNote } from '../tencent/send-note.ts';
import { tellBrought } from '../tencent/tell-brought.ts';
import type { WecomApi } from './api.ts';
import { MORE_FOLLOWS, messagesOf, textOf } from './message-text.ts';
import { replyTargetOf } from './reply-target.ts';

export interface DeliverDeps {
  readonly api: WecomApi;
  readonly clock: Clock;
  readonly log: Log;
}

export async function deliverToWecom(deps: DeliverDeps, context: SendContext, reply: Reply): Promise<void> {
  const { responseUrl, untilMs } = replyTargetOf(context.request);
  const turns = (await context.earlier?.turns()) ?? [];
  let known = readNote(context.anchor);
  const carries = known.of === null ? owedBefore(turns, context.request.turnId) : known.carries;
  const text = wholeText({ textOf, messagesOf, filesOf: () => [] }, turns, carries, textOf(reply));
  if (text === '') return;
  const parts = messagesOf(text);
  const note = async (change: Partial<SendNote>) => {
    const next = { ...known, ...change };
    await context.remember(next);
    known = next;
  };
  const owe = async (code: string, message: string): Promise<never> => {
    await note({ owes: true, trying: null });
    throw new Owed(code, message);
  };
  if (known.of === null) await note({ of: digestOf(text), carries: [...carries] });
  if (known.owes) await note({ owes: false });

  if (known.sent === 0) {
    if (deps.clock.now() > untilMs) await owe('reply-window-closed', 'The hour for an answer is over.');
    const before = known.trying;
    await note({ trying: 'once' });
    try {
      await deps.api.respond(responseUrl, `${parts[0]?.text}${parts.length > 1 ? MORE_FOLLOWS : ''}`);
    } catch (error) {
      // This try did nothing; one before it may have.
      if (error instanceof Refused) await note({ trying: before });
      if (!(error instanceof Gone)) throw error;
      if (before === null) await owe(error.code, error.message);
    }
    await note({ sent: 1, trying: null });
  }
  if (parts.length > 1)
    await owe('reply-too-long', 'One message was all: the next one of the person brings the rest.');
  await tellBrought(deps.log, context, carriedBy(turns, carries));
}
