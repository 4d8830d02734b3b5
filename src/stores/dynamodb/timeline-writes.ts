// What a commit writes besides when the conversation goes back to an earlier session of it, or another conversation begins
// as its fork. Each is one more item of the commit's transaction.
//
//   earlier head   free, of this conversation, alive ─if─> retention begins anew
//   fork's head    absent ───────────────────────────if─> the state it begins with
//   fork's mapping absent, or expired ───────────────if─> points at the fork
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { SessionId } from '../../core/ids.ts';
import type { CommitInput, ForkInput } from '../../core/ports/store.ts';
import { forkHead } from '../rules/commit.ts';
import { newMapping } from '../rules/new-records.ts';
import { epochSec, expiryOf } from '../rules/retention.ts';
import { expression, keyOf } from './client.ts';
import { ABSENT, FREE } from './conditions.ts';
import { deletionTime, headItem, mappingItem, stateText } from './items.ts';
import { headKey } from './tables.ts';
import type { DynamoContext } from './turns.ts';

/** `requireEarlier`, on a head. */
const EARLIER = `${FREE} AND #session_key = :key AND #expires_at > :now_sec`;

export function returnWrite(
  { stateTable, clock }: DynamoContext,
  { lease, retentionSec, consent }: CommitInput,
  to: SessionId,
): TransactWriteItem {
  const nowMs = clock.now();
  const expires = expiryOf(nowMs, retentionSec);
  return {
    Update: {
      TableName: stateTable,
      Key: keyOf(headKey(lease.tenant, to)),
      UpdateExpression: '',
      ...expression({
        update: `SET #used_at_ms = :now, #expires_at = :expires, #ttl = :ttl${consent === undefined ? '' : ', #consent = :consent'}`,
        condition: EARLIER,
        values: {
          key: lease.sessionKey,
          now: nowMs,
          now_sec: epochSec(nowMs),
          expires,
          ttl: deletionTime(expires),
          ...(consent !== undefined && { consent: stateText(consent) }),
        },
      }),
    },
  };
}

export function forkWrites(
  { mappingTable, stateTable, clock }: DynamoContext,
  input: CommitInput,
  fork: ForkInput,
): TransactWriteItem[] {
  const nowMs = clock.now();
  const mapping = newMapping(fork.sessionKey, fork.sessionId, nowMs, input.retentionSec);
  const isFree = expression({
    condition: 'attribute_not_exists(#session_key) OR #ttl <= :now',
    values: { now: epochSec(nowMs) },
  });
  const head = headItem(forkHead(input, fork, nowMs));
  return [
    { Put: { TableName: stateTable, Item: head, ...expression({ condition: ABSENT }) } },
    { Put: { TableName: mappingTable, Item: mappingItem(mapping), ...isFree } },
  ];
}
