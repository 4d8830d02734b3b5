// A conversation that goes on under another key: the writes of such a commit, and the note by which an erase finds
// what the old key still holds.
//
//   head           fence 6, generation 3 ─if─> key := new      ┐
//   turn           running ───────────────if─> committed       │
//   old mapping    points here, or absent ─if─> deleted        ├ one transaction: all or nothing
//   new mapping    absent, or points here ─if─> points here    │
//   origin note    ──────────────────────────> the old key     ┘
import type { TransactWriteItem } from '@aws-sdk/client-dynamodb';
import type { SessionKey } from '../../core/ids.ts';
import type { CommitInput } from '../../core/ports/store.ts';
import { newMapping } from '../rules/new-records.ts';
import { epochSec } from '../rules/retention.ts';
import { expression } from './client.ts';
import { deletionTime, mappingItem, toItem, WAITING_SEC } from './items.ts';
import { conversationPartition, mappingKey } from './tables.ts';
import type { DynamoContext } from './turns.ts';

export function originKey(key: SessionKey): { readonly pk: string; readonly sk: string } {
  return { pk: conversationPartition(key), sk: 'origin' };
}

/** In place of the mapping's own write; head and turn are written as in any commit, the head with the new key, too. */
export function moveWrites(
  { mappingTable, stateTable, clock }: DynamoContext,
  input: CommitInput,
  to: SessionKey,
): TransactWriteItem[] {
  const { lease, retentionSec } = input;
  const nowMs = clock.now();
  const mapping = newMapping(to, lease.sessionId, nowMs, retentionSec);
  const ttl = deletionTime(mapping.ttl) + WAITING_SEC;
  return [
    {
      Delete: {
        TableName: mappingTable,
        Key: mappingKey(lease.sessionKey),
        ...expression({
          condition: 'attribute_not_exists(#session_key) OR #session_id = :session',
          values: { session: lease.sessionId },
        }),
      },
    },
    {
      Put: {
        TableName: mappingTable,
        Item: mappingItem(mapping),
        ...expression({
          condition: 'attribute_not_exists(#session_key) OR #ttl <= :now OR #session_id = :session',
          values: { now: epochSec(nowMs), session: lease.sessionId },
        }),
      },
    },
    {
      Put: {
        TableName: stateTable,
        Item: toItem({ ...originKey(to), session_key: lease.sessionKey, ttl }),
      },
    },
  ];
}
