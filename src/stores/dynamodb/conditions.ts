// The rules of src/stores/rules as DynamoDB conditions, each written once. When one fails, the item that failed it goes
// back to the rule's own function, which says what the failure means: the words here decide, the words there explain.
import type { Lease } from '../../core/records.ts';

/** `requireHeld`, on a head. */
export const HELD = '#fence = :fence AND #lease_owner = :owner';

export function heldValues(lease: Lease): { fence: number; owner: string } {
  return { fence: lease.fence, owner: lease.owner };
}

/** `requireBase`, on a head. */
export const HELD_AT_BASE = `${HELD} AND #generation = :base`;

/** `requireFree`, on a head. */
export const FREE =
  'attribute_exists(#pk) AND (attribute_not_exists(#lease_until_ms) OR #lease_until_ms <= :now)';

/** `requireRunning`, on a turn. */
export const RUNNING_UNDER_LEASE = '#status = :running AND #session_id = :session AND #session_key = :key';

export function runningValues(lease: Lease): { running: string; session: string; key: string } {
  return { running: 'running', session: lease.sessionId, key: lease.sessionKey };
}

/** `requireTurnOfLease`, on a turn. */
export const OF_LEASE = '(#session_key = :key OR #session_id = :session) AND #expires_at > :now';

/** No item has the key. */
export const ABSENT = 'attribute_not_exists(#pk)';
