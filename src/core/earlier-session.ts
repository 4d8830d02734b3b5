// Which session a conversation pointed at before, read from the ledger: a turn that changed it says where to
// (`Reply.movedTo`), and in which session it ran.
import type { SessionId, SessionKey } from './ids.ts';
import type { SessionStore } from './ports.ts';
import { isCommitted, type TurnRecord } from './records.ts';

type Lines = Pick<SessionStore, 'listTurns'>;

/** The session that a "new session" led from to `current`; null when none is known any more. */
export async function earlierSession(
  store: Lines,
  key: SessionKey,
  current: SessionId,
): Promise<SessionId | null> {
  for await (const line of linesOf(store, key)) {
    if (line.kind === 'new' && line.reply?.movedTo === current) return line.sessionId;
  }
  return null;
}

/**
 * The session that the last undo led away from, if that is what a redo takes back; null when the last undo stayed in its
 * session, or something was said since.
 */
export async function sessionToRedo(store: Lines, key: SessionKey): Promise<SessionId | null> {
  let redone = 0;
  for await (const line of linesOf(store, key)) {
    if (line.reply?.outcome === 'failed' || line.kind === 'fork') continue;
    if (line.kind === 'redo') redone += 1;
    else if (line.kind !== 'undo') return null;
    else if (redone > 0) redone -= 1;
    else return line.reply?.movedTo === undefined ? null : line.sessionId;
  }
  return null;
}

/** Committed lines, the newest first. */
async function* linesOf(store: Lines, key: SessionKey): AsyncGenerator<TurnRecord, void, undefined> {
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page = await store.listTurns(key, { limit: 200, ...(cursor && { cursor }) });
    yield* page.items.filter(isCommitted).reverse();
    cursor = page.cursor;
  }
}
