// A long paste that the person's app cut into several messages is one turn, and so is an album, whose pictures come as a
// message each. The first part begins, waits until the
// person has been quiet for `gatherMs`, and takes the waiting parts with it: their ledger lines are closed in one
// fenced step (`SessionStore.gather`), so that each is run exactly once even if a worker dies, and their own queue
// messages have nothing left to do.
// Only channels where one person writes ask for it (`TurnRequest.gatherMs`).
import { MAX_FILES } from './attachments.ts';
import { MAX_TEXT_LENGTH, type TurnRequest } from './messages.ts';
import type { SessionStore } from './ports.ts';
import { chatOf, GATHERED, isCommitted, type TurnRecord } from './records.ts';
import type { RunningTurn } from './running-turn.ts';

/** A part this long may have been cut by the app; a shorter one ends a paste. */
export const PASTE_FROM = 3_000;
/** Apps that cut in the middle of a line cut here (UTF-16 units); before it, they cut at a line end and drop it. */
const HARD_CUT = 4_096;
const MAX_PARTS = 25;
const LOOK_EVERY_MS = 200;

/** The request with the text of all its parts. */
export async function withGathered(
  running: Pick<RunningTurn, 'deps' | 'request' | 'record' | 'lease' | 'signal'>,
): Promise<TurnRequest> {
  const { deps, request, record: turn, lease, signal } = running;
  const { gatherMs } = request;
  if (gatherMs === undefined) return request;
  for (;;) {
    const waiting = await partsOf(deps.store, turn, gatherMs);
    const last = waiting.at(-1) ?? turn;
    const quietInMs = last.receivedAtMs + gatherMs - deps.clock.now();
    // A turn that goes on takes nothing more: its prompt is in the state already.
    if (turn.generation === null && quietInMs > 0 && goesOn(last) && !signal.aborted) {
      await deps.clock.sleep(Math.min(quietInMs, LOOK_EVERY_MS), signal);
      continue;
    }
    const parts = turn.generation === null ? waiting : waiting.filter(isGathered);
    const followers = parts.filter((part) => !isGathered(part)).map((part) => part.turnId);
    if (followers.length > 0) await deps.store.gather({ lease, turnId: turn.turnId, followers });
    return { ...request, ...wholeOf([turn, ...parts]) };
  }
}

/** What a turn was asked with all parts it took: for asking again. */
export async function gatheredMessage(
  store: Pick<SessionStore, 'listTurns'>,
  turn: TurnRecord,
): Promise<Pick<TurnRequest, 'text' | 'attachments'>> {
  return wholeOf([turn, ...(await partsOf(store, turn, 0)).filter(isGathered)]);
}

/** What follows the turn directly and belongs to it, or may: in order. */
async function partsOf(
  store: Pick<SessionStore, 'listTurns'>,
  turn: TurnRecord,
  gatherMs: number,
): Promise<readonly TurnRecord[]> {
  const { items } = await store.listTurns(turn.sessionKey, { limit: 200 });
  const later = items
    // What was taken into a running turn is no part of a paste.
    .filter((next) => next.sequence > turn.sequence && next.kind !== 'steer' && chatOf(next) === chatOf(turn))
    .sort((a, b) => a.sequence - b.sequence);
  const parts: TurnRecord[] = [];
  let length = turn.text.length;
  let files = turn.attachments?.length ?? 0;
  for (const next of later.slice(0, MAX_PARTS)) {
    length += next.text.length + 1;
    files += next.attachments?.length ?? 0;
    const last = parts.at(-1) ?? turn;
    const isPart = isGathered(next) || mayFollow(last, next, gatherMs);
    if (!isPart || length > MAX_TEXT_LENGTH || files > MAX_FILES) break;
    parts.push(next);
  }
  return parts;
}

function mayFollow(last: TurnRecord, next: TurnRecord, gatherMs: number): boolean {
  const isWaiting = next.status === 'queued' && next.kind === 'message' && !next.stopRequested;
  const together =
    albumOf(last) === undefined ? last.text.length >= PASTE_FROM : albumOf(last) === albumOf(next);
  const isPasted = together && !next.dedupeId.startsWith('replay:');
  return isWaiting && isPasted && next.receivedAtMs - last.receivedAtMs <= gatherMs;
}

/** What follows may belong to it. */
function goesOn(part: TurnRecord): boolean {
  return albumOf(part) !== undefined || part.text.length >= PASTE_FROM;
}

function albumOf({ attachments }: TurnRecord): string | undefined {
  return attachments?.[0]?.group;
}

function isGathered(turn: TurnRecord): boolean {
  return isCommitted(turn) && turn.reply?.code === GATHERED.code;
}

function wholeOf(parts: readonly TurnRecord[]): Pick<TurnRequest, 'text' | 'attachments'> {
  const attachments = parts.flatMap((part) => part.attachments ?? []);
  return { text: joined(parts), ...(attachments.length > 0 && { attachments }) };
}

function joined(parts: readonly TurnRecord[]): string {
  return parts
    .map(({ text }, index) => {
      const before = parts[index - 1]?.text ?? '';
      const isBeginning = parts.slice(0, index).every((part) => part.text === '');
      return isBeginning || before.length >= HARD_CUT || text === '' ? text : `\n${text}`;
    })
    .join('');
}
