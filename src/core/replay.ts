// A dead letter goes back to work. What that means depends on what the person already got: a turn that was given up
// is final (ONCE-OUT), so its message is asked again as a new turn; a reply that did not arrive is sent again without
// the model; a message that was answered is not answered twice.
import { Conflict, Invalid } from './errors.ts';
import { gatheredMessage } from './gather-paste.ts';
import { type TurnId, tenantOf, turnIdOf } from './ids.ts';
import { inHome, type TurnRequest, turnRequest, writtenIn } from './messages.ts';
import type { Clock, DeadLetter, SessionStore, TurnQueue } from './ports.ts';
import { isCommitted, type TurnRecord } from './records.ts';

export interface ReplayDeps {
  readonly store: SessionStore;
  readonly queue: TurnQueue;
  readonly clock: Clock;
  readonly retentionSec: number;
}

export interface Replayed {
  /** `asked-again`: a new turn for the same text. `sent-again`: the reply that is there. `resumed`: the same turn goes on. */
  readonly how: 'asked-again' | 'sent-again' | 'resumed';
  readonly turnId: TurnId;
}

/** Says what `replayDeadLetter` would do. Throws the same errors. */
export function replayPlan(letter: DeadLetter, turn: TurnRecord | null): Replayed['how'] {
  const { request } = letter;
  if (turnIdOf(writtenIn(request), request.dedupeId) !== request.turnId) {
    throw new Invalid('bad-message', 'This dead letter is no message that can be sent again.', {
      advice: 'Drop it.',
    });
  }
  if (turn === null || !isCommitted(turn)) return 'resumed';
  if (turn.status === 'committed') return 'sent-again';
  if (turn.reply?.outcome === 'failed') return 'asked-again';
  if (turn.status === 'undeliverable') return 'sent-again';
  throw new Conflict('already-answered', 'The person has the answer to this message.', {
    advice: 'Drop the dead letter.',
    data: { turnId: turn.turnId },
  });
}

/** Safe to repeat: the new turn's id comes from the dead letter's, so cut off half-way it is still one turn. */
export async function replayDeadLetter(deps: ReplayDeps, letter: DeadLetter): Promise<Replayed> {
  const { store, queue } = deps;
  const { request } = letter;
  const tenant = tenantOf(request.sessionKey);
  const turn = await store.getTurn(tenant, request.turnId);
  const how = replayPlan(letter, turn);
  if (how === 'asked-again') {
    const whole = turn ? await gatheredMessage(store, turn) : request;
    const again = askedAgain(letter, whole, deps.clock.now());
    await store.accept(again, deps.retentionSec);
    await queue.send(again);
    await queue.deadLetters.drop(letter.id);
    return { how, turnId: again.turnId };
  }
  if (how === 'sent-again') await store.reopen(tenant, request.turnId);
  await queue.deadLetters.replay(letter.id);
  return { how, turnId: request.turnId };
}

function askedAgain(
  { id, request }: DeadLetter,
  { text, attachments }: Pick<TurnRequest, 'text' | 'attachments'>,
  receivedAtMs: number,
): TurnRequest {
  const { conversation, kind, sender, replyTarget, sessionHint, context } = request;
  const dedupeId = `replay:${request.turnId}:${id}`;
  const again = turnRequest({
    conversation,
    dedupeId,
    kind,
    text,
    sender,
    replyTarget,
    receivedAtMs,
    sessionHint,
    ...(context ? { context } : {}),
    ...(attachments ? { attachments } : {}),
  });
  return inHome(again, request.sessionKey);
}
