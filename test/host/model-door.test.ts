// The one address at which a live CLI finds the model, turn after turn, each with a token of its own.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { promise } from '../../src/core/promises.ts';
import { type ModelDoor, openModelDoor, throughDoor } from '../../src/host/model-door.ts';

let door: ModelDoor;
let seen: IncomingMessage[];
const held: (() => void)[] = [];
const gateway = createServer((request, response) => {
  seen.push(request);
  if (request.url?.startsWith('/base/hold')) {
    response.writeHead(200);
    response.write('begun');
    held.push(() => response.end());
    return;
  }
  request.resume();
  request.on('end', () =>
    response.writeHead(529, { 'retry-after': '7', 'x-should-retry': 'false' }).end('busy'),
  );
});

beforeEach(async () => {
  seen = [];
  door = await openModelDoor();
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const end of held.splice(0)) end();
  await door.close();
  gateway.closeAllConnections();
  await new Promise((resolve) => gateway.close(resolve));
});

const url = () => `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/base`;
const ask = (token: string, path = '/v1/messages?beta=true') =>
  fetch(`${door.url}${path}`, { method: 'POST', headers: { 'x-api-key': token }, body: '{"a":1}' });

test('leads to the gateway with the token of the turn that runs, and passes answers as they are', async () => {
  for (const token of ['turn-one', 'turn-two']) {
    door.open({ url: url(), token });
    const answer = await ask(door.token);
    expect([answer.status, answer.headers.get('retry-after'), await answer.text()]).toEqual([
      529,
      '7',
      'busy',
    ]);
    expect(answer.headers.get('x-should-retry')).toBe('false');
    expect(seen.at(-1)?.url).toBe('/base/v1/messages?beta=true');
    expect(seen.at(-1)?.headers['x-api-key']).toBe(token);
    door.shut();
  }
  door.open({ url: url(), token: 'bearer' });
  await fetch(`${door.url}/v1/x`, { headers: { authorization: `Bearer ${door.token}` } });
  expect(seen.at(-1)?.headers.authorization).toBe('Bearer bearer');
});

test(`${promise('NO-SECRETS')} nobody gets through between two turns, or with another token, the turn's own included`, async () => {
  expect((await ask(door.token)).status).toBe(401);
  door.open({ url: url(), token: 'turn-one' });
  for (const token of ['', 'wrong', 'turn-one', `${door.token}x`])
    expect((await ask(token)).status).toBe(401);
  expect((await ask(door.token)).status).toBe(529);
  door.shut();
  expect((await ask(door.token)).status).toBe(401);
  expect(seen).toHaveLength(1);
});

test('what is under way ends with the turn, and no connection outlives its answer', async () => {
  door.open({ url: url(), token: 'turn-one' });
  expect((await ask(door.token)).headers.get('connection')).toBe('close');
  const answer = await ask(door.token, '/hold');
  const closed = new Promise((resolve) => seen.at(-1)?.once('close', resolve));
  door.shut();
  await expect(answer.text()).rejects.toThrow();
  await closed;
});

test('a CLI sees the same endpoint in every turn', () => {
  const plain = (token: string) =>
    throughDoor(door, { demo: false, baseUrl: url(), apiKey: token, model: 'm' });
  expect(plain('one')).toEqual(plain('two'));
  expect(JSON.stringify(plain('one'))).not.toContain('one');
  const bedrock = (token: string) =>
    throughDoor(door, {
      demo: false,
      bedrock: { AWS_REGION: 'r', ANTHROPIC_BEDROCK_BASE_URL: url(), AWS_BEARER_TOKEN_BEDROCK: token },
    });
  expect(bedrock('one')).toEqual(bedrock('two'));
  expect(bedrock('one').bedrock?.AWS_REGION).toBe('r');
});
