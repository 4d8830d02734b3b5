// Taking a session in, and taking a conversation out. Erase first fences every session it knows, so nothing can be
// committed any more, then deletes lines, their order, mapping, and last the heads: stopped half-way, it can be repeated
// and still names the sessions whose objects are to go.
import { randomUUID } from 'node:crypto';
import {
  conversationOf,
  type SessionId,
  type SessionKey,
  type Tenant,
  type TurnId,
  tenantOf,
} from '../../core/ids.ts';
import type { AdoptInput } from '../../core/ports/store.ts';
import { requireGeneration } from '../rules/commit.ts';
import { storeError } from '../rules/errors.ts';
import { requireSessionId } from '../rules/keys.ts';
import { newHead, newMapping } from '../rules/new-records.ts';
import { busyError } from './begin-writes.ts';
import { expression, keyOf, mayHaveHappened } from './client.ts';
import { ABSENT, FREE } from './conditions.ts';
import { headItem, type Item, isLiveItem, mappingItem, readMapping, toItem } from './items.ts';
import type { Lists } from './lists.ts';
import { originKey } from './move.ts';
import { counterKey, eventsKey, headKey, mappingKey, turnKey } from './tables.ts';
import type { DynamoContext } from './turns.ts';

const ERASE_LEASE_MS = 60_000;
const PARALLEL_ERASERS = 8;

export function createAdoptAndErase(context: DynamoContext, lists: Lists) {
  const { dynamo, mappingTable, stateTable, clock } = context;

  async function adopt(input: AdoptInput): Promise<void> {
    const { sessionKey: key, sessionId, generation, state, retentionSec } = input;
    conversationOf(key);
    requireSessionId(sessionId);
    requireGeneration(generation);
    const nowMs = clock.now();
    const current = await dynamo.get(mappingTable, mappingKey(key));
    const createdAt = isLiveItem(current, nowMs, 'ttl') ? readMapping(current, key).created_at : undefined;
    const mapping = newMapping(key, sessionId, nowMs, retentionSec, createdAt);
    const token = randomUUID();
    const head = {
      ...headItem(newHead(key, sessionId, nowMs, retentionSec, { generation, state })),
      ...toItem({ last_write: token }),
    };
    try {
      const cancelled = await dynamo.transact([
        { Put: { TableName: stateTable, Item: head, ...expression({ condition: ABSENT }) } },
        { Put: { TableName: mappingTable, Item: mappingItem(mapping) } },
      ]);
      if (cancelled) throw storeError('session-exists');
    } catch (error) {
      if (!mayHaveHappened(error)) throw error;
      const written = await dynamo.get(stateTable, keyOf(headKey(tenantOf(key), sessionId)));
      if (written?.last_write?.S !== token) throw error;
    }
  }

  /** Leases a head for the eraser; returns what undoes it, or null when there is no such head of this conversation. */
  async function fence(
    key: SessionKey,
    sessionId: SessionId,
    owner: string,
  ): Promise<(() => Promise<unknown>) | null> {
    const at = headKey(tenantOf(key), sessionId);
    const nowMs = clock.now();
    const answer = await dynamo.update(stateTable, at, {
      update: 'SET #lease_owner = :owner, #lease_until_ms = :until ADD #fence :one',
      condition: `#session_key = :key AND (${FREE} OR #lease_owner = :owner)`,
      values: { owner, until: nowMs + ERASE_LEASE_MS, one: 1, key, now: nowMs },
    });
    if (answer.item?.session_key?.S !== key) return null;
    if (!answer.ok) throw busyError(answer.item, nowMs);
    return () =>
      dynamo.update(stateTable, at, {
        update: 'REMOVE #lease_owner, #lease_until_ms',
        condition: '#lease_owner = :owner',
        values: { owner },
      });
  }

  async function eraseEvents(tenant: Tenant, turnIds: readonly TurnId[]): Promise<void> {
    const waiting = [...turnIds];
    const worker = async () => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
        let start: Item | undefined;
        do {
          const page = await dynamo.query({
            TableName: stateTable,
            KeyConditionExpression: 'pk = :pk',
            ExpressionAttributeValues: { ':pk': { S: eventsKey(tenant, id, 0).pk } },
            ProjectionExpression: 'pk, sk',
            ConsistentRead: true,
            ...(start && { ExclusiveStartKey: start }),
          });
          await dynamo.batchDelete(stateTable, page.items);
          start = page.next;
        } while (start);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_ERASERS }, worker));
  }

  async function erase(key: SessionKey, keep?: TurnId): Promise<readonly SessionId[]> {
    const tenant = tenantOf(key);
    const mappingAt = mappingKey(key);
    const [mapping, indexed, turns, origin] = await Promise.all([
      dynamo.get(mappingTable, mappingAt),
      lists.allSessions(key),
      lists.allTurns(key),
      dynamo.get(stateTable, keyOf(originKey(key))),
    ]);
    const lines = await dynamo.batchGet(
      stateTable,
      [...new Set(turns.map(({ turnId }) => turnId))].map((turnId) => keyOf(turnKey(tenant, turnId))),
    );
    // The index may be a moment behind; the mapping and the ledger are not.
    const named = [...indexed, mapping?.session_id?.S, ...lines.map((line) => line.session_id?.S)];
    const sessions = [...new Set(named.filter((id) => id !== undefined))] as SessionId[];
    const owner = `erase-${randomUUID()}`;
    const undo: (() => Promise<unknown>)[] = [];
    const present: SessionId[] = [];
    try {
      for (const sessionId of sessions) {
        const release = await fence(key, sessionId, owner);
        if (release) {
          undo.push(release);
          present.push(sessionId);
        }
      }
    } catch (error) {
      await Promise.allSettled(undo.map((release) => release()));
      throw error;
    }
    const from = origin?.session_key?.S as SessionKey | undefined;
    const left = from === undefined ? [] : await erase(from);
    const erased = turns.filter(({ turnId }) => turnId !== keep);
    const turnItems = erased.flatMap(({ turnId }) =>
      (['turn', 'text', 'reply'] as const).map((part) => keyOf(turnKey(tenant, turnId, part))),
    );
    await dynamo.batchDelete(stateTable, distinct(turnItems));
    await eraseEvents(tenant, [...new Set(erased.map(({ turnId }) => turnId))]);
    await dynamo.batchDelete(mappingTable, mapping ? [mappingAt] : []);
    await dynamo.batchDelete(stateTable, [
      ...erased.map(({ orderItem }) => orderItem),
      // What is written next comes after the line that stays.
      ...(erased.length === turns.length ? [keyOf(counterKey(key))] : []),
      keyOf(originKey(key)),
    ]);
    await dynamo.batchDelete(
      stateTable,
      sessions.map((sessionId) => keyOf(headKey(tenant, sessionId))),
    );
    const pointed = mapping?.session_id?.S as SessionId | undefined;
    const gone = pointed && !present.includes(pointed) ? [...present, pointed] : present;
    return [...new Set([...gone, ...left])];
  }

  return { adopt, erase };
}

/** A batch may not name one key twice. */
function distinct(keys: readonly Item[]): Item[] {
  return [...new Map(keys.map((key) => [`${key.pk?.S}\n${key.sk?.S}`, key])).values()];
}
