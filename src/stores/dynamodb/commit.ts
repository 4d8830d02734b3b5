// The commit: generation, ledger line with the outbox, and mapping in one transaction, if the lease still holds.
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import { Ambiguous } from '../../core/errors.ts';
import type { CommitInput } from '../../core/ports/store.ts';
import type { TurnRecord } from '../../core/records.ts';
import { commitTurn, isCommittedBy, requireCommitInput } from '../rules/commit.ts';
import { storeError } from '../rules/errors.ts';
import { newHead, newMapping } from '../rules/new-records.ts';
import { type Cancelled, expression, keyOf, mayHaveHappened } from './client.ts';
import { ABSENT, HELD_AT_BASE, heldValues, RUNNING_UNDER_LEASE, runningValues } from './conditions.ts';
import {
  committedBy,
  deletionTime,
  headItem,
  isLiveItem,
  readMapping,
  readSession,
  readStoredTurn,
  stateText,
  storedValue,
  toItem,
} from './items.ts';
import { moveWrites } from './move.ts';
import { conversationPartition, headKey, mappingKey, turnKey } from './tables.ts';
import { forkWrites, returnWrite } from './timeline-writes.ts';
import type { DynamoContext, Turns } from './turns.ts';

/** How many committed turns a head remembers, one slot per fence. */
export const RECENT_TURNS = 8;

export function createCommit(context: DynamoContext, turns: Turns) {
  const { dynamo, mappingTable, stateTable, clock } = context;

  /**
   *   head      fence 6, generation 3 ──if──> generation 4, state      ┐
   *   turn      running ───────────────if──> committed, reply (outbox) ├ one transaction: all or nothing
   *   mapping   points at this session ─if─> ttl pushed out            │
   *   new head  absent ────────────────if──> generation 0 (`/new`)     ┘   (and see timeline-writes.ts)
   *
   * Overtaken (fence 7): the first condition fails. Sent twice: the first and second fail, but the turn's line
   * says that this very lease committed it, and that is a success. No answer: the line is read back.
   */
  function commitWrites(input: CommitInput): TransactWriteItem[] {
    const { lease, turnId, baseGeneration, generation, repointTo, moveTo, returnTo, fork } = input;
    /** Another session's, or else this one's. */
    const consent = repointTo === undefined && returnTo === undefined ? input.consent : undefined;
    const nowMs = clock.now();
    const target = repointTo ?? returnTo ?? lease.sessionId;
    const mapping = newMapping(lease.sessionKey, target, nowMs, input.retentionSec);
    const expires = mapping.ttl;
    const moves = generation !== baseGeneration;
    const reply = storedValue(input.reply, 'reply-too-large');
    const setReply = 'inline' in reply ? '#reply = :reply' : '#reply_apart = :reply';
    const writes: TransactWriteItem[] = [
      {
        Update: {
          TableName: stateTable,
          Key: keyOf(headKey(lease.tenant, lease.sessionId)),
          UpdateExpression: '',
          ...expression({
            update: `SET #generation = :generation, #used_at_ms = :now_ms, #expires_at = :expires, #ttl = :ttl, #recent_${lease.fence % RECENT_TURNS} = :turn${moves ? ', #state = :state' : ''}${consent === undefined ? '' : ', #consent = :consent'}${moveTo ? ', #session_key = :moved, #moved_from = :key, #conversation_list = :list' : ''}`,
            condition: `${HELD_AT_BASE} AND #session_key = :key`,
            values: {
              ...heldValues(lease),
              generation,
              base: baseGeneration,
              now_ms: nowMs,
              expires,
              ttl: deletionTime(expires),
              turn: turnId,
              key: lease.sessionKey,
              ...(moves && { state: stateText(input.state) }),
              ...(consent !== undefined && { consent: stateText(consent) }),
              ...(moveTo && { moved: moveTo, list: conversationPartition(moveTo) }),
            },
          }),
        },
      },
      {
        Update: {
          TableName: stateTable,
          Key: keyOf(turnKey(lease.tenant, turnId)),
          UpdateExpression: '',
          ...expression({
            update: `SET #status = :committed, #committed_by = :by, ${setReply}, #generation = :generation, #generation_session = :session, #updated_at_ms = :now_ms, #expires_at = :expires, #ttl = :ttl`,
            condition: RUNNING_UNDER_LEASE,
            values: {
              ...runningValues(lease),
              committed: 'committed',
              by: committedBy(lease),
              reply: 'inline' in reply ? reply.inline : true,
              generation,
              now_ms: nowMs,
              expires,
              ttl: deletionTime(expires),
            },
          }),
        },
      },
      {
        Update: {
          TableName: mappingTable,
          Key: mappingKey(lease.sessionKey),
          UpdateExpression: '',
          ...expression({
            update:
              'SET #session_id = :target, #chat_id = :chat, #thread_id = :thread, #created_at = if_not_exists(#created_at, :now), #updated_at = :now, #ttl = :expires',
            condition: 'attribute_not_exists(#session_key) OR #session_id = :session',
            values: {
              target,
              chat: mapping.chat_id,
              thread: mapping.thread_id,
              now: mapping.updated_at,
              expires,
              session: lease.sessionId,
            },
          }),
        },
      },
    ];
    if (moveTo) writes.splice(-1, 1, ...moveWrites(context, input, moveTo));
    if ('separate' in reply) {
      const key = turnKey(lease.tenant, turnId, 'reply');
      const item = { ...key, body: reply.separate, ttl: deletionTime(expires) };
      writes.push({ Put: { TableName: stateTable, Item: toItem(item) } });
    }
    if (repointTo !== undefined) {
      const head = newHead(lease.sessionKey, repointTo, nowMs, input.retentionSec, {
        generation: 0,
        state: null,
        consent: input.consent ?? null,
      });
      const absent = expression({ condition: ABSENT });
      writes.push({ Put: { TableName: stateTable, Item: headItem(head), ...absent } });
    }
    if (returnTo !== undefined) writes.push(returnWrite(context, input, returnTo));
    if (fork) writes.push(...forkWrites(context, input, fork));
    return writes;
  }

  /** The record that this very lease committed; null when there is none. */
  async function readOwnCommit({ lease, turnId }: CommitInput): Promise<TurnRecord | null> {
    const known = await turns.read(lease.tenant, turnId);
    return known && isCommittedBy(readStoredTurn(known.item, known.turn), lease) ? known.turn : null;
  }

  /** Some condition failed: the rule says which, over what is there now. */
  async function explain(input: CommitInput): Promise<TurnRecord> {
    const { lease, turnId, repointTo, moveTo, returnTo, fork } = input;
    const fresh = repointTo ?? fork?.sessionId;
    const other = moveTo ?? fork?.sessionKey;
    const head = (id: string) => dynamo.get(stateTable, keyOf(headKey(lease.tenant, id)));
    const [known, session, mapping, taken, there, earlier] = await Promise.all([
      turns.read(lease.tenant, turnId),
      head(lease.sessionId),
      dynamo.get(mappingTable, mappingKey(lease.sessionKey)),
      fresh !== undefined && head(fresh),
      other !== undefined && dynamo.get(mappingTable, mappingKey(other)),
      returnTo !== undefined && head(returnTo),
    ]);
    const { turn, writes } = commitTurn(
      input,
      {
        line: known && readStoredTurn(known.item, known.turn),
        session: session && readSession(session),
        mapping: mapping && readMapping(mapping, lease.sessionKey),
        isTaken: Boolean(taken),
        there: other && there && isLiveItem(there, clock.now(), 'ttl') ? readMapping(there, other) : null,
        earlier: earlier ? readSession(earlier) : null,
      },
      clock.now(),
    );
    // Nothing is in the way any more.
    if (writes) throw storeError('contended');
    return turn;
  }

  return async function commit(input: CommitInput): Promise<TurnRecord> {
    requireCommitInput(input);
    const writes = commitWrites(input);
    let cancelled: Cancelled | null;
    try {
      cancelled = await dynamo.transact(writes);
    } catch (error) {
      if (!mayHaveHappened(error)) throw error;
      const known = await readOwnCommit(input).catch((cause: unknown) => {
        throw new Ambiguous('commit-unknown', 'No answer to a commit, and it cannot be read back.', {
          cause,
        });
      });
      if (known) return known;
      throw error;
    }
    if (cancelled) return await explain(input);
    const known = await readOwnCommit(input);
    if (known) return known;
    throw storeError('lease-lost'); // Erased since.
  };
}
