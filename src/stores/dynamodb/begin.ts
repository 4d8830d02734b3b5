// Begin: the lease. With a right hint it is one parallel round trip; without, two or three.
//
//   with hint      head: lease, if free ─┐
//                  mapping: read ────────┼─> hint right, lease granted, turn running: go
//                  turn: mark running ───┘   anything else: undo what was taken, then as below
//   without        mapping + turn: read ──> head: lease, if free (or make head + mapping) ──> turn: mark running
//
// The turn's mark may land before another worker's commit of the same turn and our lease after it. The head
// remembers the last turns committed on it, so the worker that gets the lease sees that and asks the ledger again.
import { Conflict, Corrupt, Refused } from '../../core/errors.ts';
import { type SessionId, tenantOf } from '../../core/ids.ts';
import type { BeginInput, BeginResult } from '../../core/ports/store.ts';
import {
  isCommitted,
  type Lease,
  type SessionHead,
  type SessionMapping,
  type TurnRecord,
} from '../../core/records.ts';
import { newMapping } from '../ledger.ts';
import { expression } from './client.ts';
import { RECENT_TURNS } from './commit.ts';
import { alive, headItem, type Item, mappingItem, readHead, readMapping, readTurn, toItem } from './items.ts';
import { createMarks, type Leased, type Marked } from './marks.ts';
import { mappingKey } from './tables.ts';
import type { DynamoParts, Turns } from './turns.ts';

const ROUNDS = 6;
const HINT = /^[A-Za-z0-9_-]{1,64}$/;

export function createBegin(parts: DynamoParts, turns: Turns, release: (lease: Lease) => Promise<void>) {
  const { dynamo, mappingTable, stateTable, clock } = parts;
  const { lease, mark, unmark } = createMarks(parts);

  /** Head and mapping together, if the conversation still points nowhere. Already leased by us. */
  async function create(input: BeginInput): Promise<{ head: SessionHead; mapping: SessionMapping } | null> {
    const { request, newSessionId: sessionId, retentionSec } = input;
    const nowMs = clock.now();
    const mapping = newMapping(request.sessionKey, sessionId, nowMs, retentionSec);
    const item = {
      ...headItem({
        sessionKey: request.sessionKey,
        sessionId,
        generation: 0,
        fence: 1,
        state: null,
        nowMs,
        expiresAtSec: mapping.ttl,
      }),
      ...toItem({ lease_owner: input.owner, lease_until_ms: nowMs + input.leaseMs }),
    };
    const cancelled = await dynamo.transact([
      {
        Put: { TableName: stateTable, Item: item, ...expression({ condition: 'attribute_not_exists(#pk)' }) },
      },
      {
        Put: {
          TableName: mappingTable,
          Item: mappingItem(mapping),
          ...expression({
            condition: 'attribute_not_exists(#session_key) OR #ttl <= :now',
            values: { now: Math.floor(nowMs / 1000) },
          }),
        },
      },
    ]);
    if (cancelled === null) return { head: readHead(item), mapping };
    if (cancelled[1]) return null;
    throw new Conflict('session-exists', 'The id for the new session is taken.');
  }

  async function readLiveMapping(input: BeginInput): Promise<SessionMapping | null> {
    const item = await dynamo.get(mappingTable, mappingKey(input.request.sessionKey));
    return alive(item, clock.now(), 'ttl') ? readMapping(item, input.request.sessionKey) : null;
  }

  function leaseOf(input: BeginInput, head: SessionHead): Lease {
    const { tenant, sessionId, sessionKey, fence } = head;
    return { tenant, sessionId, sessionKey, owner: input.owner, fence };
  }

  function busy(untilMs: number): Refused {
    const retryAfterMs = Math.max(1, untilMs - clock.now());
    return new Refused('lease-busy', 'Another worker holds this session.', { retryAfterMs });
  }

  /** Gives the lease back if the step fails; what then stays held runs out by itself. */
  async function whileHeld<T>(lease: Lease, step: () => Promise<T>): Promise<T> {
    try {
      return await step();
    } catch (error) {
      await release(lease).catch(() => {});
      throw error;
    }
  }

  /** null: the hint did not lead anywhere; nothing is held. */
  async function beginByHint(input: BeginInput, hint: SessionId): Promise<BeginResult | null> {
    const [mapped, leased, marked] = await Promise.allSettled([
      readLiveMapping(input),
      lease(input, hint),
      mark(input, hint),
    ]);
    const undo = async () => {
      const held = leased.status === 'fulfilled' && leased.value.kind === 'granted' ? leased.value : null;
      const counted = marked.status === 'fulfilled' && marked.value.kind === 'running';
      await Promise.all([held && release(leaseOf(input, held.head)), counted && unmark(input)]);
    };
    const failed = [mapped, leased, marked].find((result) => result.status === 'rejected');
    if (failed) {
      await undo().catch(() => {}); // What stays held runs out by itself; the first error is the one to report.
      throw failed.reason;
    }
    const mapping = (mapped as PromiseFulfilledResult<SessionMapping | null>).value;
    const answer = (leased as PromiseFulfilledResult<Leased>).value;
    const turn = (marked as PromiseFulfilledResult<Marked>).value;
    if (mapping?.session_id !== hint || answer.kind !== 'granted') {
      await undo();
      if (turn.kind === 'mismatch') turns.match(turn.item, input.request);
      if (mapping?.session_id === hint && answer.kind === 'busy') throw busy(answer.untilMs);
      return null;
    }
    const { request } = input;
    const held = { lease: leaseOf(input, answer.head), head: answer.head, mapping };
    if (turn.kind === 'unknown') {
      const accepted = await whileHeld(held.lease, () => turns.accept(request, input.retentionSec));
      return await running(input, answer.head, mapping, accepted);
    }
    if (turn.kind === 'running' && answer.sure && !remembers(answer.item, request.turnId)) {
      return { ...held, turn: readTurn({ ...turn.item, text: { S: JSON.stringify(request.text) } }) };
    }
    if (turn.kind === 'mismatch') await whileHeld(held.lease, async () => turns.match(turn.item, request));
    const now = await whileHeld(held.lease, () => turns.read(held.lease.tenant, request.turnId));
    if (now && (turn.kind === 'running' || now.turn.sessionId === hint) && !tooLate(turn, now.turn)) {
      return { ...held, turn: now.turn };
    }
    await undo();
    return null;
  }

  async function beginByMapping(input: BeginInput): Promise<BeginResult> {
    const { request } = input;
    const tenant = tenantOf(request.sessionKey);
    for (let round = 1; round <= ROUNDS; round++) {
      const [mapping, known] = await Promise.all([
        readLiveMapping(input),
        turns.read(tenant, request.turnId),
      ]);
      if (known) turns.match(known.item, request);
      const turn = known?.turn ?? (await turns.accept(request, input.retentionSec));
      // A committed turn is leased where it was committed: `/new` may have moved the conversation since.
      const settled = isCommitted(turn) && turn.sessionId ? await lease(input, turn.sessionId) : null;
      if (settled?.kind === 'busy') throw busy(settled.untilMs);
      if (settled?.kind === 'granted') {
        const now = mapping ?? newMapping(request.sessionKey, settled.head.sessionId, clock.now(), 0);
        return begun(input, settled.head, now, turn);
      }
      if (!mapping) {
        const made = await create(input);
        if (!made) continue;
        return await running(input, made.head, made.mapping, turn);
      }
      const leased = await lease(input, mapping.session_id);
      if (leased.kind === 'busy') throw busy(leased.untilMs);
      if (leased.kind === 'granted') return await running(input, leased.head, mapping, turn);
      const still = await readLiveMapping(input);
      if (still?.session_id === mapping.session_id) {
        throw new Corrupt('head-missing', 'The conversation points at a session whose head is gone.');
      }
    }
    throw new Refused('contended', 'The conversation kept changing hands.', { retryAfterMs: 1_000 });
  }

  /** Marks the turn, now that the lease is held: nobody can commit it in between. */
  async function running(
    input: BeginInput,
    head: SessionHead,
    mapping: SessionMapping,
    turn: TurnRecord,
  ): Promise<BeginResult> {
    if (isCommitted(turn)) return begun(input, head, mapping, turn);
    const marked = await whileHeld(leaseOf(input, head), () => mark(input, head.sessionId));
    if (marked.kind === 'running') {
      const item = { ...marked.item, text: { S: JSON.stringify(input.request.text) } };
      return begun(input, head, mapping, readTurn(item));
    }
    // Committed or erased between our read and our lease: begin again from what is there now.
    await release(leaseOf(input, head));
    throw new Refused('contended', 'The turn changed while it was begun.', { retryAfterMs: 200 });
  }

  function begun(
    input: BeginInput,
    head: SessionHead,
    mapping: SessionMapping,
    turn: TurnRecord,
  ): BeginResult {
    return { lease: leaseOf(input, head), head, mapping, turn };
  }

  return async function begin(input: BeginInput): Promise<BeginResult> {
    const hint = input.request.sessionHint;
    if (hint !== null && HINT.test(hint)) {
      const done = await beginByHint(input, hint as SessionId);
      if (done) return done;
    }
    return await beginByMapping(input);
  };
}

/** Our mark landed, but the turn was committed before our lease: the mark is to be taken back. */
function tooLate(marked: Marked, now: TurnRecord): boolean {
  return marked.kind === 'running' && isCommitted(now);
}

function remembers(head: Item, turnId: string): boolean {
  for (let slot = 0; slot < RECENT_TURNS; slot++) if (head[`recent_${slot}`]?.S === turnId) return true;
  return false;
}
