// A lease without a turn, as maintenance takes it: one conditional write. The token makes a repeat after a lost answer
// recognisable.
import { randomUUID } from 'node:crypto';
import { tenantOf } from '../../core/ids.ts';
import type { SessionStore } from '../../core/ports/store.ts';
import { storeError } from '../rules/errors.ts';
import { leaseOf } from '../rules/lease.ts';
import { busyError } from './begin-writes.ts';
import { FREE } from './conditions.ts';
import { readHead } from './items.ts';
import { headKey } from './tables.ts';
import type { DynamoContext } from './turns.ts';

export function createUpkeepLease({ dynamo, stateTable, clock }: DynamoContext): SessionStore['lease'] {
  return async ({ tenant, sessionId, owner, leaseMs }) => {
    const nowMs = clock.now();
    const token = randomUUID();
    const answer = await dynamo.update(stateTable, headKey(tenant, sessionId), {
      update: 'SET #lease_owner = :owner, #lease_until_ms = :until, #last_write = :token ADD #fence :one',
      condition: FREE,
      values: { owner, until: nowMs + leaseMs, token, one: 1, now: nowMs },
    });
    const { item } = answer;
    if (!item?.session_key?.S) throw storeError('unknown-session');
    if (!answer.ok && item.last_write?.S !== token) throw busyError(item, nowMs);
    const head = readHead(item);
    if (tenantOf(head.sessionKey) !== tenant) throw storeError('unknown-session');
    return { lease: leaseOf(head, owner), head };
  };
}
