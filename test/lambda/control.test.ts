// How a host hears its worker: a mailbox in the state table, asked for with a token that is good for that mailbox only.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import type { Tenant } from '../../src/core/ids.ts';
import { createControlEndpoint } from '../../src/host/lambda/control-endpoint.ts';
import { readControlToken, signControlToken } from '../../src/host/lambda/control-token.ts';
import { createDynamoMailbox } from '../../src/stores/dynamodb/mailbox.ts';
import { startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';

const SECRET = new Uint8Array(32).fill(1);
const OLD = new Uint8Array(32).fill(2);
const box = { tenant: 'acme=2E' as Tenant, name: 'a-mailbox-of-one-turn-0123456789' };
const soon = () => Date.now() + 60_000;

describe('a token', () => {
  test('is read back by whoever has the secret it was signed with, also one on its way out', () => {
    const grant = { box, expiresAtMs: 2_000 };
    for (const secret of [SECRET, OLD]) {
      expect(readControlToken([SECRET, OLD], signControlToken(secret, grant), 1_000)).toEqual(grant);
    }
    expect(readControlToken([SECRET], signControlToken(OLD, grant), 1_000)).toBeNull();
  });

  test('is dead at its time, and no changed one is taken', () => {
    const token = signControlToken(SECRET, { box, expiresAtMs: 2_000 });
    expect(readControlToken([SECRET], token, 2_000)).toBeNull();
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.string({ minLength: 1, maxLength: 3 }), (at, piece) => {
        const changed = token.slice(0, at) + piece + token.slice(at + 1);
        const read = readControlToken([SECRET], changed, 1_000);
        // The last character of base64 carries bits that count for nothing.
        if (changed !== token && at < token.length - 1) expect(read).toBeNull();
      }),
    );
  });
});

const dynamo = await startDynamoDbLocal();
const unavailable = 'unavailable' in dynamo ? dynamo.unavailable : null;
afterAll(async () => {
  if ('close' in dynamo) await dynamo.close();
});

describe.skipIf(unavailable)('the endpoint', async () => {
  if ('unavailable' in dynamo) return;
  const { stateTable } = await dynamo.createTables('control');
  const mailbox = createDynamoMailbox({ client: dynamo.client(), stateTable, clock: systemClock });
  const answer = createControlEndpoint({ mailbox, secrets: [SECRET], clock: systemClock });
  const ask = async (query: string, token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await answer(new Request(`https://gateway.example/control${query}`, { headers }));
    return { status: response?.status, body: await response?.json() };
  };

  test('hands out the messages of its mailbox in order, from the number asked for; others see nothing', async () => {
    for (const number of [1, 2, 11]) await mailbox.post(box, number, { frame: { number } });
    const token = signControlToken(SECRET, { box, expiresAtMs: soon() });
    const numbersOf = (body: unknown) =>
      (body as { messages: { number: number }[] }).messages.map((one) => one.number);
    expect(numbersOf((await ask('', token)).body)).toEqual([1, 2, 11]);
    expect(numbersOf((await ask('?after=1', token)).body)).toEqual([2, 11]);
    const other = { tenant: 'globex' as Tenant, name: box.name };
    const elsewhere = signControlToken(SECRET, { box: other, expiresAtMs: soon() });
    expect((await ask('', elsewhere)).body).toEqual({ messages: [] });
  });

  test('waits for a message, at most as long as it may', async () => {
    const mine = { tenant: box.tenant, name: 'another-mailbox-0123456789' };
    const token = signControlToken(SECRET, { box: mine, expiresAtMs: soon() });
    const waiting = ask('?waitMs=999999', token);
    await mailbox.post(mine, 1, { frame: 'now' });
    expect((await waiting).body).toMatchObject({ messages: [{ number: 1, message: { frame: 'now' } }] });
    const startedAtMs = Date.now();
    expect((await ask('?after=1&waitMs=999999', token)).body).toEqual({ messages: [] });
    expect(Date.now() - startedAtMs).toBeLessThan(30_000);
  });

  test('refuses whoever has no token, and leaves every other request to others', async () => {
    for (const token of ['', 'control1.a.b.9.x', signControlToken(OLD, { box, expiresAtMs: soon() })]) {
      expect((await ask('', token)).status).toBe(401);
    }
    expect(await answer(new Request('https://gateway.example/v1/messages'))).toBeNull();
    expect(await answer(new Request('https://gateway.example/control', { method: 'POST' }))).toBeNull();
  });
});
