// A conversation that goes on under another key: a group that its platform upgraded has a new chat id and the
// same people. The move is a turn in the old conversation's queue, behind everything that was said there; a second
// message, first in the new conversation's queue, waits for it. So order holds across the move, and the commit that
// moves the session is one conditional step (`CommitInput.moveTo`).
import { Conflict } from './errors.ts';
import { type Conversation, type SessionKey, sessionKeyOf, type TurnId, tenantOf } from './ids.ts';
import { linkingOf } from './links.ts';
import { type TurnRequest, turnRequest } from './messages.ts';
import type { BeginResult, SessionStore, TurnQueue } from './ports.ts';
import { isCommitted } from './records.ts';
import type { TurnDeps, TurnOutcome } from './running-turn.ts';

export interface MoveDeps {
  readonly store: Pick<SessionStore, 'accept' | 'getMapping' | 'listTurns'> &
    Partial<Pick<SessionStore, 'readLinks' | 'writeLinks'>>;
  readonly queue: Pick<TurnQueue, 'send'>;
  readonly retentionSec: number;
}

const AGAIN_MS = 500;
/** A turn that never ends must not keep the others of the new conversation waiting for good. */
const MAX_PARTS = 100;
const WAIT_AT_MOST_MS = 10 * 60_000;

/** Safe to repeat. A conversation in which nothing was ever said needs no move. */
export async function acceptMove(
  deps: MoveDeps,
  from: Conversation,
  to: Conversation,
  receivedAtMs: number,
): Promise<void> {
  const key = sessionKeyOf(from);
  const [mapping, turns] = await Promise.all([
    deps.store.getMapping(key),
    deps.store.listTurns(key, { limit: 1 }),
  ]);
  // Links name a chat by its key, so they end with it: its people link the new one if they want to.
  await linkingOf(deps.store)?.forget(key);
  if (mapping === null && turns.items.length === 0) return;
  const move = turnRequest({
    conversation: from,
    dedupeId: `move-to:${to.chat}`,
    kind: 'move',
    text: sessionKeyOf(to),
    receivedAtMs,
  });
  if (isCommitted(await deps.store.accept(move, deps.retentionSec))) return;
  await deps.queue.send(move);
  const dedupeId = `move-from:${from.chat}`;
  await deps.queue.send(
    turnRequest({ conversation: to, dedupeId, kind: 'await-move', text: move.turnId, receivedAtMs }),
  );
}

/** Holds the new conversation's queue until the old one has moved. It has no line in the ledger, and no lease. */
export async function awaitMove(deps: TurnDeps, request: TurnRequest): Promise<TurnOutcome> {
  const move = await deps.store.getTurn(tenantOf(request.sessionKey), request.text as TurnId);
  if (move === null || isCommitted(move)) return { kind: 'done' };
  if (deps.clock.now() - request.receivedAtMs > WAIT_AT_MOST_MS) {
    deps.log('error', 'move-not-awaited', { alarm: true, turn: move.turnId });
    return { kind: 'done' };
  }
  return { kind: 'retry', afterMs: AGAIN_MS, reason: 'conversation-moving' };
}

/** Runs under the session's lease. Nothing is shown: people see one chat that goes on. */
export async function moveConversation(
  deps: TurnDeps,
  request: TurnRequest,
  begun: Pick<BeginResult, 'lease' | 'head' | 'turn'>,
): Promise<TurnOutcome> {
  const { lease, turn, head } = begun;
  const to = request.text as SessionKey;
  let isMoved = turn.reply?.outcome === 'ok';
  if (!isCommitted(turn)) {
    // The rest of a turn that was cut off is queued behind us: it comes first.
    if (request.part < MAX_PARTS && (await isUnfinished(deps, request))) {
      await deps.clock.sleep(AGAIN_MS);
      return { kind: 'continue' };
    }
    const { generation, state } = head;
    const commit = {
      lease,
      turnId: turn.turnId,
      baseGeneration: generation,
      generation,
      state,
      retentionSec: deps.retentionSec,
    };
    try {
      const reply = { outcome: 'ok' as const, text: '', fixedAtMs: deps.clock.now() };
      await deps.store.commit({ ...commit, reply, moveTo: to });
      isMoved = true;
    } catch (error) {
      if (!(error instanceof Conflict && error.code === 'conversation-taken')) throw error;
      deps.log('warn', 'conversation-not-moved', { turn: turn.turnId, session: lease.sessionId });
      await deps.store.commit({ ...commit, reply: { outcome: 'failed', code: error.code, text: '' } });
    }
  }
  if (isMoved) await deps.scheduling?.move(request.sessionKey, to);
  await deps.store.settle(lease, turn.turnId, 'delivered');
  return { kind: 'done' };
}

async function isUnfinished(deps: TurnDeps, { sessionKey, turnId }: TurnRequest): Promise<boolean> {
  const { items } = await deps.store.listTurns(sessionKey, { limit: 100 });
  return items.some((turn) => turn.turnId !== turnId && !isCommitted(turn));
}
