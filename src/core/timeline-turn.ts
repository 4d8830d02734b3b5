// Turns that change where a conversation stands, without an agent: a new session, back before the last turns, forth again,
// and a fork of the session into another conversation. Each is an input of its own in the conversation's queue, so what
// was said before it is done, and what was said after it finds what it left.
import { chosenIn, readableConsent } from './consent.ts';
import { earlierSession, sessionToRedo } from './earlier-session.ts';
import {
  conversationOf,
  forkSessionIdOf,
  newSessionId,
  type SessionId,
  type SessionKey,
  sessionKeyOf,
  tenantOf,
} from './ids.ts';
import type { TimelineStep } from './ports.ts';
import { isCommitted } from './records.ts';
import {
  backInEarlierSession,
  FORKED_NOTHING,
  forkedTo,
  forkTaken,
  NEW_SESSION_TEXT,
  NO_PLACE,
  NOTHING_TO_REDO,
  nothingToUndo,
  redoneText,
  undoneText,
} from './replies.ts';
import { type Decision, type RunningTurn, unchanged } from './running-turn.ts';

/** Text of an `undo` that goes back to the session before the last new one, however much was said since. */
export const UNDO_NEW = 'new';
const LOOKED_AT = 200;

/** null for a message: an agent answers it. */
export async function timelineStep(running: RunningTurn): Promise<Decision | null> {
  switch (running.request.kind) {
    case 'new': {
      const fresh = newSessionId();
      await stopCutOff(running);
      return {
        ...unchanged(running, { outcome: 'ok', text: NEW_SESSION_TEXT, movedTo: fresh }),
        repointTo: fresh,
        // Of the chat, not of the session: what waits for an answer stays behind, what was allowed holds on.
        consent: { ...readableConsent(running.head), open: null, reactions: [] },
      };
    }
    case 'undo':
      return await undo(running);
    case 'redo':
      return await redo(running);
    case 'fork':
      return await fork(running);
    default:
      return null;
  }
}

async function undo(running: RunningTurn): Promise<Decision> {
  const { deps, request, head } = running;
  const wanted = request.text.trim();
  const possible = deps.state.undoable(head).length;
  const earlier = wanted === UNDO_NEW || (possible === 0 && (wanted === '' || wanted === '1'));
  if (earlier) {
    const { store } = deps;
    const to = await earlierSession(store, request.sessionKey, head.sessionId);
    return (await returnTo(running, to)) ?? refused(running, nothingToUndo(possible, wanted === UNDO_NEW));
  }
  const turns = /^\d{1,4}$/.test(wanted) ? Number(wanted) : wanted === '' ? 1 : 0;
  const step = turns > 0 ? deps.state.undo(head, turns) : null;
  if (!step) return refused(running, nothingToUndo(possible, false));
  await stopCutOff(running);
  return stepped(running, step, undoneText(step));
}

async function redo(running: RunningTurn): Promise<Decision> {
  const { deps, request, head } = running;
  const to = await sessionToRedo(deps.store, request.sessionKey);
  if (to !== null) return (await returnTo(running, to)) ?? refused(running, NOTHING_TO_REDO);
  const step = deps.state.redo(head);
  return step ? stepped(running, step, redoneText(step)) : refused(running, NOTHING_TO_REDO);
}

async function fork(running: RunningTurn): Promise<Decision> {
  const { deps, request, head } = running;
  const place = await running.openConversation(request.text.trim());
  if (!place) return refused(running, NO_PLACE);
  const sessionKey = sessionKeyOf(place);
  const shown = place.title ?? placeOf(sessionKey);
  if (await deps.store.getMapping(sessionKey)) return refused(running, forkTaken(shown));
  const sessionId = forkSessionIdOf(request.turnId);
  const both = await deps.state.branch(head, sessionId);
  if (!both) return refused(running, FORKED_NOTHING);
  return {
    baseGeneration: head.generation,
    generation: both.generation,
    state: both.state,
    reply: { outcome: 'ok', text: forkedTo(shown) },
    fork: { sessionKey, sessionId, state: both.branch },
  };
}

function placeOf(key: SessionKey): string {
  const { chat, thread } = conversationOf(key);
  return thread ?? chat;
}

/** null when the session is not kept any more. */
async function returnTo(running: RunningTurn, to: SessionId | null): Promise<Decision | null> {
  const { deps, request } = running;
  const there = to === null ? null : await deps.store.getHead(tenantOf(request.sessionKey), to);
  if (there?.sessionKey !== request.sessionKey) return null;
  const asOf = deps.state.undoable(there)[0] ?? null;
  const text = backInEarlierSession(request.kind === 'redo', asOf);
  const { sessionId } = there;
  return {
    ...unchanged(running, { outcome: 'ok', text, movedTo: sessionId }),
    returnTo: sessionId,
    // What has been taken back since does not come back with it, and what was chosen since holds on.
    consent: {
      ...readableConsent(there),
      granted: readableConsent(running.head).granted,
      chosen: chosenIn(running.head),
    },
  };
}

/**
 * A turn that was cut off at its deadline goes on behind what was written meanwhile. What it did so far is what is undone, or
 * stays behind in its session, so its rest must not run.
 */
async function stopCutOff({ deps, request, record }: RunningTurn): Promise<void> {
  const { items } = await deps.store.listTurns(request.sessionKey, { limit: LOOKED_AT });
  const cutOff = items.filter((turn) => {
    return turn.sequence < record.sequence && !isCommitted(turn) && turn.generation !== null;
  });
  for (const { tenant, turnId } of cutOff) await deps.store.requestStop(tenant, turnId);
}

function stepped({ head }: RunningTurn, { generation, state }: TimelineStep, text: string): Decision {
  return { baseGeneration: head.generation, generation, state, reply: { outcome: 'ok', text } };
}

function refused(running: RunningTurn, reply: { readonly code: string; readonly text: string }): Decision {
  return unchanged(running, { outcome: 'failed', ...reply });
}
