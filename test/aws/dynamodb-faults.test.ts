// DynamoDB when it is slow, full, or its answers get lost: nothing is guessed, nothing happens twice.
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Conflict, Refused } from '../../src/core/errors.ts';
import type { Tenant } from '../../src/core/ids.ts';
import { promise } from '../../src/core/promises.ts';
import { createDynamoEventLog } from '../../src/stores/dynamodb/event-log.ts';
import { createDynamoClient, createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { localAws, startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { dynamoThrottled, type Fault, startFaultProxy } from '../../testing/aws/fault-proxy.ts';
import { createManualClock } from '../../testing/clock.ts';
import { conversation, expectFailure, failure, message } from '../../testing/contracts/contract.ts';
import {
  begin,
  commitOf,
  RETENTION_SEC,
  snapshot,
  wholeTurn,
} from '../../testing/contracts/session-store-steps.ts';

const local = await startDynamoDbLocal();

describe.skipIf('unavailable' in local)(
  `DynamoDB faults ${'unavailable' in local ? local.unavailable : ''}`,
  async () => {
    if ('unavailable' in local) return;
    const proxy = await startFaultProxy(local.endpoint);
    const client = createDynamoClient({ ...localAws, endpoint: proxy.endpoint });
    const tables = await local.createTables('faults');
    const clock = createManualClock();
    const store = createDynamoSessionStore({ client, ...tables, clock });
    /** Sees what is there without the faults. */
    const plain = createDynamoSessionStore({ client: local.client(), ...tables, clock });

    beforeEach(() => {
      proxy.seen.length = 0;
    });
    afterEach(() => {
      proxy.onRequest = () => undefined;
    });
    afterAll(async () => {
      client.destroy();
      await proxy.close();
      await local.close();
    });

    /** Injects it into the first `times` requests of an operation. */
    function inject(operation: string, fault: Fault, times = 1): void {
      let left = times;
      proxy.onRequest = (request) => (request.operation === operation && left-- > 0 ? fault : undefined);
    }

    test('a throttled call is tried again, and the turn goes on', async () => {
      inject('UpdateItem', dynamoThrottled);
      const begun = await begin(store, message(conversation()));
      inject('TransactWriteItems', dynamoThrottled);
      expect((await store.commit(commitOf(begun))).status).toBe('committed');
    });

    test(`${promise('NO-AMNESIA')} throttling that lasts is Refused, and nothing is begun anew`, async () => {
      const of = conversation();
      const first = await wholeTurn(plain, message(of));
      proxy.onRequest = () => dynamoThrottled;
      await expectFailure(begin(store, message(of)), Refused, 'throttled');
      await expectFailure(store.getMapping(first.lease.sessionKey), Refused, 'throttled');
      expect((await plain.getMapping(first.lease.sessionKey))?.session_id).toBe(first.lease.sessionId);
      expect(
        (await plain.listHeads(first.lease.tenant, { sessionKey: first.lease.sessionKey })).items,
      ).toHaveLength(1);
    });

    test('a request that nobody answers is given up and sent again', async () => {
      inject('GetItem', { kind: 'hold', until: new Promise(() => {}) });
      const { sessionKey } = message(conversation());
      expect(await store.getMapping(sessionKey)).toBeNull();
      // An earlier test's last request may still be on its way.
      const mine = proxy.seen.filter(({ body }) => body.includes(sessionKey));
      expect(mine.map(({ operation }) => operation)).toEqual(['GetItem', 'GetItem']);
    });

    test(`${promise('ONCE-OUT')} events whose answer was lost are not appended twice`, async () => {
      const log = createDynamoEventLog({ client, stateTable: tables.stateTable, clock });
      const turnId = message(conversation()).turnId;
      const tenant = 'acme' as Tenant;
      inject('PutItem', { kind: 'lose-answer' });
      await log.append(tenant, turnId, [{ type: 'text', text: 'once' }]);
      await log.append(tenant, turnId, [{ type: 'text', text: 'after' }]);
      const logged = await log.read(tenant, turnId, 0, { waitMs: 0 });
      expect(logged.map(({ sequence, event }) => [sequence, event.type === 'text' && event.text])).toEqual([
        [1, 'once'],
        [2, 'after'],
      ]);
    });

    test(`${promise('NO-AMNESIA')} a table that is not there is never an empty one`, async () => {
      const absent = createDynamoSessionStore({ client, mappingTable: 'none', stateTable: 'none', clock });
      const request = message(conversation());
      await expectFailure(absent.getMapping(request.sessionKey), Refused, 'store-not-set-up');
      await expectFailure(begin(absent, request), Refused, 'store-not-set-up');
    });

    test(`${promise('ATOMIC')} a commit that happened, its answer lost once: the client's repeat applies nothing twice`, async () => {
      const begun = await begin(store, message(conversation()));
      inject('TransactWriteItems', { kind: 'lose-answer' });
      const turn = await store.commit(commitOf(begun));
      expect(turn).toMatchObject({ status: 'committed', generation: 1 });
      expect(proxy.seen.filter(({ operation }) => operation === 'TransactWriteItems').length).toBeGreaterThan(
        2,
      );
      expect((await snapshot(plain, begun)).head?.generation).toBe(1);
    });

    test(`${promise('ATOMIC')} a commit that happened, every answer lost: recognised by reading back`, async () => {
      const begun = await begin(store, message(conversation()));
      inject('TransactWriteItems', { kind: 'lose-answer' }, 100);
      const turn = await store.commit(commitOf(begun));
      expect(turn).toMatchObject({ status: 'committed', generation: 1 });
      expect(await plain.getTurn(turn.tenant, turn.turnId)).toEqual(turn);
    });

    test(`${promise('ATOMIC')} a commit that never arrived is Refused, and can be repeated`, async () => {
      const begun = await begin(store, message(conversation()));
      const before = await snapshot(plain, begun);
      inject('TransactWriteItems', { kind: 'break' }, 100);
      await expectFailure(store.commit(commitOf(begun)), Refused, 'store-unavailable');
      expect(await snapshot(plain, begun)).toEqual(before);
      proxy.onRequest = () => undefined;
      expect((await store.commit(commitOf(begun))).status).toBe('committed');
    });

    test('a commit that may have happened and cannot be read back is Ambiguous, never Conflict', async () => {
      const begun = await begin(store, message(conversation()));
      let sent = false;
      proxy.onRequest = ({ operation }) => {
        sent ||= operation === 'TransactWriteItems';
        return sent ? { kind: operation === 'TransactWriteItems' ? 'lose-answer' : 'break' } : undefined;
      };
      expect((await failure(store.commit(commitOf(begun)))).code).toBe('commit-unknown');
      proxy.onRequest = () => undefined;
      expect((await store.commit(commitOf(begun))).generation).toBe(1);
    });

    test('a lease whose answer was lost is the same lease, taken once', async () => {
      const of = conversation();
      const first = await wholeTurn(plain, message(of));
      const request = message(of, { sessionHint: first.lease.sessionId });
      await plain.accept(request, RETENTION_SEC);
      inject('UpdateItem', { kind: 'lose-answer' }, 2);
      const begun = await begin(store, request);
      expect(begun.lease.fence).toBe(first.lease.fence + 1);
      expect(begun.turn.attempts).toBe(1);
      expect(await plain.getTurn(begun.lease.tenant, request.turnId)).toEqual(begun.turn);
    });

    test('a mid-turn checkpoint whose answers were lost is recognised', async () => {
      const request = message(conversation());
      const begun = await begin(store, request);
      const step = { lease: begun.lease, baseGeneration: 0, generation: 1, state: { packs: ['mid'] } };
      inject('UpdateItem', { kind: 'lose-answer' }, 100);
      await store.advance(step);
      inject('TransactWriteItems', { kind: 'lose-answer' }, 100);
      const next = { ...step, baseGeneration: 1, generation: 2, turnId: request.turnId };
      await store.advance(next);
      expect((await snapshot(plain, begun)).turn?.generation).toBe(2);
    });

    test(`${promise('ONCE-OUT')} a turn committed between our mark and our lease is not begun again`, async () => {
      const of = conversation();
      const first = await wholeTurn(plain, message(of));
      const request = message(of, { sessionHint: first.lease.sessionId });
      const other = await begin(plain, request);
      // The lease request is held back until the other worker has committed and gone.
      const { sessionId } = other.lease;
      let held = false;
      proxy.onRequest = ({ operation, body }) => {
        if (held || operation !== 'UpdateItem' || !body.includes(`#session#${sessionId}`)) return undefined;
        held = true;
        return { kind: 'hold', until: finish() };
      };
      const finish = async () => {
        await plain.commit(commitOf(other));
        await plain.release(other.lease);
      };
      const begun = await begin(store, request);
      expect(held).toBe(true);
      expect(begun.turn).toMatchObject({ status: 'committed', attempts: 1 });
      await expectFailure(store.commit(commitOf(begun)), Conflict, 'lease-lost');
    });
  },
);
