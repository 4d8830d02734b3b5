// Begin: the lease. With a right hint it is one parallel round trip; without, two or three.
//
//   with hint      head: lease, if free ─┐
//                  mapping: read ────────┼─> hint right, lease granted, turn running: go
//                  turn: mark running ───┘   anything else: undo what was taken, then as below
//   without        mapping + turn: read ──> head: lease, if free (or make head + mapping) ──> turn: mark running
//
// The turn may be marked before another worker commits it and our lease be granted after that. The head remembers the
// last turns committed on it, so the worker that gets the lease sees it and asks the ledger again.
import { type SessionId, tenantOf } from '../../core/ids.ts';
import type { BeginInput, BeginResult } from '../../core/ports/store.ts';
import {
  isCommitted,
  type Lease,
  type SessionHead,
  type SessionMapping,
  type TurnRecord,
} from '../../core/records.ts';
import { expiredMapping, requireHead, sessionToLease } from '../rules/begin.ts';
import { storeError } from '../rules/errors.ts';
import { isSessionId, requireSessionId } from '../rules/keys.ts';
import { grantLease, leaseOf, unleased } from '../rules/lease.ts';
import { newHead, newMapping } from '../rules/new-records.ts';
import { epochSec } from '../rules/retention.ts';
import { createBeginWrites, type LeaseAnswer, type RunningAnswer } from './begin-writes.ts';
import { expression } from './client.ts';
import { RECENT_TURNS } from './commit.ts';
import { ABSENT } from './conditions.ts';
import { type Item, isLiveItem, leasedHeadItem, mappingItem, readMapping, readTurn } from './items.ts';
import { mappingKey } from './tables.ts';
import type { DynamoContext, Turns } from './turns.ts';

const ROUNDS = 6;

export function createBegin(context: DynamoContext, turns: Turns, release: (lease: Lease) => Promise<void>) {
  const { dynamo, mappingTable, stateTable, clock } = context;
  const { takeLease, markRunning, takeAttemptBack } = createBeginWrites(context);

  /** Head and mapping together, if the conversation still points nowhere. Already leased by us. */
  async function create(input: BeginInput): Promise<{ head: SessionHead; mapping: SessionMapping } | null> {
    const { newSessionId, owner, leaseMs, retentionSec } = input;
    const key = input.request.sessionKey;
    const nowMs = clock.now();
    const mapping = newMapping(key, newSessionId, nowMs, retentionSec);
    const fresh = unleased(newHead(key, newSessionId, nowMs, retentionSec));
    const { session } = grantLease(fresh, owner, leaseMs, nowMs);
    const absent = expression({ condition: ABSENT });
    const cancelled = await dynamo.transact([
      { Put: { TableName: stateTable, Item: leasedHeadItem(session), ...absent } },
      {
        Put: {
          TableName: mappingTable,
          Item: mappingItem(mapping),
          ...expression({
            condition: 'attribute_not_exists(#session_key) OR #ttl <= :now',
            values: { now: epochSec(nowMs) },
          }),
        },
      },
    ]);
    if (cancelled === null) return { head: session.head, mapping };
    if (cancelled[1]) return null;
    throw storeError('session-exists');
  }

  async function readLiveMapping(input: BeginInput): Promise<SessionMapping | null> {
    const item = await dynamo.get(mappingTable, mappingKey(input.request.sessionKey));
    return isLiveItem(item, clock.now(), 'ttl') ? readMapping(item, input.request.sessionKey) : null;
  }

  /** Gives the lease back if the step fails; if that fails too, it runs out by itself. */
  async function whileHeld<T>(lease: Lease, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      await release(lease).catch(() => {});
      throw error;
    }
  }

  /** null: the hint was wrong, and no lease is left. */
  async function beginByHint(input: BeginInput, hint: SessionId): Promise<BeginResult | null> {
    const { request, owner } = input;
    const [mapped, leased, marked] = await Promise.allSettled([
      readLiveMapping(input),
      takeLease(input, hint),
      markRunning(input, hint, false),
    ]);
    const undo = async () => {
      const granted = leased.status === 'fulfilled' && leased.value.kind === 'granted' ? leased.value : null;
      const isCounted = marked.status === 'fulfilled' && marked.value.kind === 'running';
      await Promise.all([
        granted && release(leaseOf(granted.head, owner)),
        isCounted && takeAttemptBack(input),
      ]);
    };
    const failed = [mapped, leased, marked].find((result) => result.status === 'rejected');
    if (failed) {
      await undo().catch(() => {}); // A lease that stays runs out by itself; the first error is the one to report.
      throw failed.reason;
    }
    const mapping = (mapped as PromiseFulfilledResult<SessionMapping | null>).value;
    const answer = (leased as PromiseFulfilledResult<LeaseAnswer>).value;
    const turn = (marked as PromiseFulfilledResult<RunningAnswer>).value;
    if (mapping?.session_id !== hint || answer.kind !== 'granted') {
      await undo();
      if (turn.kind === 'mismatch') turns.requireSame(turn.item, request);
      if (mapping?.session_id === hint && answer.kind === 'busy') throw answer.error;
      return null;
    }
    const { head } = answer;
    const lease = leaseOf(head, owner);
    if (turn.kind === 'unknown') {
      const accepted = await whileHeld(lease, () => turns.accept(request, input.retentionSec));
      return await markUnderLease(input, head, mapping, accepted);
    }
    if (turn.kind === 'running' && answer.isQuick && !isRecent(answer.item, request.turnId)) {
      return { lease, head, mapping, turn: readTurn(withText(turn.item, request.text)) };
    }
    if (turn.kind === 'mismatch') await whileHeld(lease, async () => turns.requireSame(turn.item, request));
    const now = (await whileHeld(lease, () => turns.read(lease.tenant, request.turnId)))?.turn;
    if (now && turn.kind === 'elsewhere') return await markUnderLease(input, head, mapping, now);
    // Marked, but committed before our lease: then the attempt has to be taken back.
    const isTooLate = now && turn.kind === 'running' && isCommitted(now);
    if (now && !isTooLate && (turn.kind === 'running' || now.sessionId === hint)) {
      return { lease, head, mapping, turn: now };
    }
    await undo();
    return null;
  }

  async function beginByMapping(input: BeginInput): Promise<BeginResult> {
    const { request, owner } = input;
    const { sessionKey: key } = request;
    for (let round = 1; round <= ROUNDS; round++) {
      const [mapping, known] = await Promise.all([
        readLiveMapping(input),
        turns.read(tenantOf(key), request.turnId),
      ]);
      if (known) turns.requireSame(known.item, request);
      const turn = known?.turn ?? (await turns.accept(request, input.retentionSec));
      const sessionId = sessionToLease(turn, mapping);
      if (sessionId === null) {
        const made = await create(input);
        if (made) return await markUnderLease(input, made.head, made.mapping, turn);
        continue;
      }
      const answer = await takeLease(input, sessionId);
      if (answer.kind === 'busy') throw answer.error;
      if (answer.kind === 'granted') {
        const { head } = answer;
        const shown = mapping ?? expiredMapping(key, sessionId, clock.now());
        if (isCommitted(turn)) return { lease: leaseOf(head, owner), head, mapping: shown, turn };
        return await markUnderLease(input, head, shown, turn);
      }
      // Erased or moved between the two calls: then it is named no more.
      const [mappingNow, turnNow] = await Promise.all([
        readLiveMapping(input),
        turns.read(tenantOf(key), request.turnId),
      ]);
      if (turnNow && sessionToLease(turnNow.turn, mappingNow) === sessionId) requireHead(null, sessionId);
    }
    throw storeError('contended');
  }

  /** Marks the turn, now that the lease is held: nobody can commit it in between. */
  async function markUnderLease(
    input: BeginInput,
    head: SessionHead,
    mapping: SessionMapping,
    turn: TurnRecord,
  ): Promise<BeginResult> {
    const lease = leaseOf(head, input.owner);
    if (isCommitted(turn)) return { lease, head, mapping, turn };
    const marked = await whileHeld(lease, () => markRunning(input, head.sessionId, true));
    if (marked.kind === 'running') {
      return { lease, head, mapping, turn: readTurn(withText(marked.item, input.request.text)) };
    }
    // Committed or erased between our read and our lease: begin again from what is there now.
    await release(lease);
    throw storeError('contended', { retryAfterMs: 200 });
  }

  return async function begin(input: BeginInput): Promise<BeginResult> {
    requireSessionId(input.newSessionId);
    const hint = input.request.sessionHint;
    if (hint !== null && isSessionId(hint)) {
      const done = await beginByHint(input, hint as SessionId);
      if (done) return done;
    }
    return await beginByMapping(input);
  };
}

/** The text is at hand: a long one need not be read from its own item. */
function withText(item: Item, text: string): Item {
  return { ...item, text: { S: JSON.stringify(text) } };
}

/** True when the turn is among the last that were committed on this head. */
function isRecent(head: Item, turnId: string): boolean {
  for (let slot = 0; slot < RECENT_TURNS; slot++) if (head[`recent_${slot}`]?.S === turnId) return true;
  return false;
}
