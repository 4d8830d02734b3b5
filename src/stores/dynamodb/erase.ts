// Taking a session in, and taking a conversation out. Erase first fences every session it knows, so nothing can be
// committed any more, then deletes lines, places, mapping, and last the heads: cut off half-way, it can be repeated
// and still names the sessions whose objects are to go.
import { randomUUID } from 'node:crypto';
import { Conflict, Invalid, Refused } from '../../core/errors.ts';
import { type SessionId, type SessionKey, type Tenant, type TurnId, tenantOf } from '../../core/ids.ts';
import type { AdoptInput } from '../../core/ports/store.ts';
import { newMapping } from '../ledger.ts';
import { expression, keyOf, mayHaveHappened } from './client.ts';
import { alive, headItem, type Item, mappingItem, number, readMapping, toItem } from './items.ts';
import type { createLists } from './lists.ts';
import { originKey } from './move.ts';
import { counterKey, eventsKey, headKey, mappingKey, turnKey } from './tables.ts';
import type { DynamoParts } from './turns.ts';

const ERASE_LEASE_MS = 60_000;
const PARALLEL_ERASERS = 8;
const SESSION_ID = /^[A-Za-z0-9_-]{1,64}$/;

export function createAdoptAndErase(parts: DynamoParts, lists: ReturnType<typeof createLists>) {
  const { dynamo, mappingTable, stateTable, clock } = parts;

  async function adopt(input: AdoptInput): Promise<void> {
    const { sessionKey, sessionId, generation, state, retentionSec } = input;
    if (!SESSION_ID.test(sessionId)) throw new Invalid('bad-session-id', 'This is not a session id.');
    const nowMs = clock.now();
    const fresh = newMapping(sessionKey, sessionId, nowMs, retentionSec);
    const current = await dynamo.get(mappingTable, mappingKey(sessionKey));
    const createdAt = alive(current, nowMs, 'ttl')
      ? readMapping(current, sessionKey).created_at
      : fresh.created_at;
    const token = randomUUID();
    const expiresAtSec = fresh.ttl;
    const head = {
      ...headItem({ sessionKey, sessionId, generation, fence: 0, state, nowMs, expiresAtSec }),
      ...toItem({ last_write: token }),
    };
    try {
      const cancelled = await dynamo.transact([
        {
          Put: {
            TableName: stateTable,
            Item: head,
            ...expression({ condition: 'attribute_not_exists(#pk)' }),
          },
        },
        { Put: { TableName: mappingTable, Item: mappingItem({ ...fresh, created_at: createdAt }) } },
      ]);
      if (cancelled) throw new Conflict('session-exists', 'A session of this id is there already.');
    } catch (error) {
      if (!mayHaveHappened(error)) throw error;
      const written = await dynamo.get(stateTable, keyOf(headKey(tenantOf(sessionKey), sessionId)));
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
      condition:
        'attribute_exists(#pk) AND #session_key = :key AND (attribute_not_exists(#lease_until_ms) OR #lease_until_ms <= :now OR #lease_owner = :owner)',
      values: { owner, until: nowMs + ERASE_LEASE_MS, one: 1, key, now: nowMs },
    });
    if (answer.item?.session_key?.S !== key) return null;
    if (!answer.ok) {
      const retryAfterMs = Math.max(1, number(answer.item, 'lease_until_ms') - nowMs);
      throw new Refused('lease-busy', 'A turn runs in this conversation.', { retryAfterMs });
    }
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

  async function erase(key: SessionKey): Promise<readonly SessionId[]> {
    const tenant = tenantOf(key);
    const mappingAt = mappingKey(key);
    const [mapping, indexed, places, origin] = await Promise.all([
      dynamo.get(mappingTable, mappingAt),
      lists.allSessions(key),
      lists.allPlaces(key),
      dynamo.get(stateTable, keyOf(originKey(key))),
    ]);
    const lines = await dynamo.batchGet(
      stateTable,
      [...new Set(places.map(({ turnId }) => turnId))].map((turnId) => keyOf(turnKey(tenant, turnId))),
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
    const turnItems = places.flatMap(({ turnId }) =>
      (['turn', 'text', 'reply'] as const).map((part) => keyOf(turnKey(tenant, turnId, part))),
    );
    await dynamo.batchDelete(stateTable, distinct(turnItems));
    await eraseEvents(tenant, [...new Set(places.map(({ turnId }) => turnId))]);
    await dynamo.batchDelete(mappingTable, mapping ? [mappingAt] : []);
    await dynamo.batchDelete(stateTable, [
      ...places.map(({ place }) => place),
      keyOf(counterKey(key)),
      keyOf(originKey(key)),
    ]);
    await dynamo.batchDelete(
      stateTable,
      sessions.map((sessionId) => keyOf(headKey(tenant, sessionId))),
    );
    const pointed = mapping?.session_id?.S as SessionId | undefined;
    const erased = pointed && !present.includes(pointed) ? [...present, pointed] : present;
    return [...new Set([...erased, ...left])];
  }

  return { adopt, erase };
}

/** A batch may not name one key twice. */
function distinct(keys: readonly Item[]): Item[] {
  return [...new Map(keys.map((key) => [`${key.pk?.S}\n${key.sk?.S}`, key])).values()];
}
