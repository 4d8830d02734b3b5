// What lies in the tables, looked at with DynamoDB's own calls: the seven attributes, the tenant in every key, long
// texts below the item limit, expired items that are still there.
import { DescribeTableCommand, GetItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, describe, expect, test } from 'vitest';
import { RETENTION_SEC as KEPT_SEC } from '../../src/core/defaults.ts';
import { sessionKeyOf, type TurnId, tenantId } from '../../src/core/ids.ts';
import { MAX_TEXT_LENGTH } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { createDynamoEventLog } from '../../src/stores/dynamodb/event-log.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { tableDefinitions } from '../../src/stores/dynamodb/tables.ts';
import { startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { createManualClock } from '../../testing/clock.ts';
import { conversation, message } from '../../testing/contracts/contract.ts';
import {
  begin,
  commitOf,
  RETENTION_SEC,
  replyOf,
  wholeTurn,
} from '../../testing/contracts/session-store-steps.ts';

const local = await startDynamoDbLocal();

describe.skipIf('unavailable' in local)(
  `DynamoDB items ${'unavailable' in local ? local.unavailable : ''}`,
  async () => {
    if ('unavailable' in local) return;
    const client = local.client();
    const tables = await local.createTables('items');
    const clock = createManualClock();
    const store = createDynamoSessionStore({ client, ...tables, clock });
    const log = createDynamoEventLog({ client, stateTable: tables.stateTable, clock });
    afterAll(() => local.close());

    const all = async (table: string) =>
      (await client.send(new ScanCommand({ TableName: table, ConsistentRead: true }))).Items ?? [];

    test('tool calls can be looked at as long as the turn itself', async () => {
      const tool = { type: 'tool', id: 't', name: 'Bash', summary: 'ls', state: 'done' } as const;
      const turnId = `turn_${'e'.repeat(32)}` as TurnId;
      const mine = createManualClock();
      const old = createDynamoEventLog({ client, stateTable: tables.stateTable, clock: mine });
      await old.append(tenantId('acme'), turnId, [tool]);
      const read = () => old.read(tenantId('acme'), turnId, 0, { waitMs: 0 });
      await mine.advance((KEPT_SEC - 60) * 1_000);
      expect(await read()).toMatchObject([{ event: tool }]);
      await mine.advance(60_000);
      expect(await read()).toEqual([]);
    });

    test('a mapping item has exactly the seven attributes, thread_id of type NULL when there is none', async () => {
      const types = {
        session_key: 'S',
        session_id: 'S',
        chat_id: 'S',
        created_at: 'S',
        updated_at: 'S',
        ttl: 'N',
      };
      for (const [thread, type] of [
        [null, 'NULL'],
        ['topic', 'S'],
      ] as const) {
        const of = conversation({ thread });
        await wholeTurn(store, message(of));
        await wholeTurn(store, message(of, { kind: 'new' }), { repointTo: crypto.randomUUID() as never });
        const key = { session_key: { S: sessionKeyOf(of) } };
        const { Item } = await client.send(new GetItemCommand({ TableName: tables.mappingTable, Key: key }));
        const found = Object.fromEntries(
          Object.entries(Item ?? {}).map(([name, v]) => [name, Object.keys(v)[0]]),
        );
        expect(found).toEqual({ ...types, thread_id: type });
      }
    });

    test(`${promise('EXPIRE')} every partition key begins with the tenant, and erase leaves no item behind`, async () => {
      const of = conversation({ tenant: 'a/b', chat: 'secret-chat' });
      const begun = await begin(store, message(of, { text: 'x'.repeat(50_000) }));
      await log.append(begun.lease.tenant, begun.turn.turnId, [{ type: 'text', text: 'progress' }]);
      await store.commit(commitOf(begun, { reply: replyOf('y'.repeat(50_000)) }));
      await store.release(begun.lease);
      const mine = async () => {
        const items = [...(await all(tables.stateTable)), ...(await all(tables.mappingTable))];
        return items.filter((item) => JSON.stringify(item).includes('a=2Fb'));
      };
      const items = await mine();
      expect(items.map((item) => item.sk?.S ?? 'mapping').sort()).toHaveLength(8);
      for (const item of items) expect(item.pk?.S ?? item.session_key?.S).toMatch(/^a=2Fb[#/]/);
      for (const item of items) expect(item.ttl?.N).toMatch(/^\d+$/);
      await store.erase(begun.lease.sessionKey);
      expect(await mine()).toEqual([]);
    });

    test('the longest text and reply fit, whatever characters they hold', async () => {
      const texts = {
        chinese: (i: number) => String.fromCharCode(0x4e00 + ((i * 7919) % 20_000)),
        control: (i: number) => String.fromCharCode(i % 32),
        surrogates: (i: number) => String.fromCharCode(0xd800 + ((i * 7919) % 2_048)),
      };
      for (const [name, at] of Object.entries(texts)) {
        const text = Array.from({ length: MAX_TEXT_LENGTH }, (_, i) => at(i)).join('');
        const request = message(conversation(), { text });
        const begun = await begin(store, request);
        await store.commit(commitOf(begun, { reply: replyOf(text) }));
        const turn = await store.getTurn(begun.lease.tenant, request.turnId);
        expect([name, turn?.text === request.text, turn?.reply?.text === text]).toEqual([name, true, true]);
        const listed = (await store.listTurns(request.sessionKey)).items[0];
        expect([name, listed?.text === request.text, listed?.reply?.text === text]).toEqual([
          name,
          true,
          true,
        ]);
      }
    });

    test(`${promise('EXPIRE')} an expired mapping is absent while its item is still there`, async () => {
      const { lease } = await wholeTurn(store, message(conversation()));
      await clock.advance((RETENTION_SEC + 5) * 1_000);
      const key = { session_key: { S: lease.sessionKey } };
      const { Item } = await client.send(new GetItemCommand({ TableName: tables.mappingTable, Key: key }));
      expect(Item).toBeDefined();
      expect(await store.getMapping(lease.sessionKey)).toBeNull();
    });

    test('the table definitions are what the store uses', async () => {
      const { Table } = await client.send(new DescribeTableCommand({ TableName: tables.stateTable }));
      expect(Table?.GlobalSecondaryIndexes?.map(({ IndexName }) => IndexName).sort()).toEqual(
        tableDefinitions.state.indexes.map(({ name }) => name).sort(),
      );
      expect(tableDefinitions.mapping).toMatchObject({
        partitionKey: 'session_key',
        sortKey: null,
        indexes: [],
      });
    });
  },
);
