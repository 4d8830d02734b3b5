// What a person or a maintenance command does to a session between turns: lease it, let an undelivered reply be sent
// again. Both are one conditional write; the token makes a repeat after a lost answer recognisable.
import { randomUUID } from 'node:crypto';
import { Gone, Refused } from '../../core/errors.ts';
import { type Tenant, type TurnId, tenantOf } from '../../core/ids.ts';
import type { LeaseInput } from '../../core/ports/store.ts';
import type { Lease, SessionHead, TurnRecord } from '../../core/records.ts';
import { unknownSession } from '../ledger.ts';
import { alive, number, readHead } from './items.ts';
import { headKey, turnKey } from './tables.ts';
import type { DynamoParts, Turns } from './turns.ts';

export function createUpkeep({ dynamo, stateTable, clock }: DynamoParts, turns: Turns) {
  async function lease(input: LeaseInput): Promise<{ readonly lease: Lease; readonly head: SessionHead }> {
    const { tenant, sessionId, owner, leaseMs } = input;
    const nowMs = clock.now();
    const token = randomUUID();
    const answer = await dynamo.update(stateTable, headKey(tenant, sessionId), {
      update: 'SET #lease_owner = :owner, #lease_until_ms = :until, #last_write = :token ADD #fence :one',
      condition:
        'attribute_exists(#pk) AND (attribute_not_exists(#lease_until_ms) OR #lease_until_ms <= :now)',
      values: { owner, until: nowMs + leaseMs, token, one: 1, now: nowMs },
    });
    const { item } = answer;
    if (!item?.session_key?.S) throw unknownSession();
    if (!answer.ok && item.last_write?.S !== token) {
      const retryAfterMs = Math.max(1, number(item, 'lease_until_ms') - nowMs);
      throw new Refused('lease-busy', 'Another worker holds this session.', { retryAfterMs });
    }
    const head = readHead(item);
    if (tenantOf(head.sessionKey) !== tenant) throw unknownSession();
    const { sessionKey, fence } = head;
    return { lease: { tenant, sessionId, sessionKey, owner, fence }, head };
  }

  async function reopen(tenant: Tenant, turnId: TurnId): Promise<TurnRecord> {
    const answer = await dynamo.update(stateTable, turnKey(tenant, turnId), {
      update: 'SET #status = :committed, #updated_at_ms = :now_ms',
      condition: '#status = :undeliverable AND #expires_at > :now',
      values: {
        committed: 'committed',
        undeliverable: 'undeliverable',
        now: Math.floor(clock.now() / 1000),
        now_ms: clock.now(),
      },
    });
    if (!alive(answer.item, clock.now())) throw new Gone('unknown-turn', 'There is no such turn.');
    return await turns.complete(tenant, answer.item);
  }

  return { lease, reopen };
}
