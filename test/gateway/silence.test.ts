// A model's server that says nothing: dead kept connections, silence that is told, silence that ends.
import type { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openTurn, post, serve } from './fixture.ts';

beforeEach(() => {
  // Node's own timers go on: connections and servers live in real time.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => vi.useRealTimers());

/** `expect.poll` sleeps by the timers that stand still here. */
async function until(holds: () => boolean): Promise<void> {
  const untilMs = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > untilMs) throw new Error('It did not come about.');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a kept connection that the network dropped: the request goes out once more on a fresh one, within seconds', async () => {
  const sockets: Socket[] = [];
  const upstream = await serve((request, response) => {
    sockets.push(request.socket);
    // The first connection answers once, then never again.
    if (sockets.length > 1 && request.socket === sockets[0]) return;
    response.end('{}');
  });
  const turn = await openTurn({ upstream: { baseUrl: upstream } });
  expect((await post(turn)).status).toBe(200);
  const second = post(turn);
  await until(() => sockets.length === 2);
  expect(sockets[1]).toBe(sockets[0]);
  await vi.advanceTimersByTimeAsync(20_000);
  expect((await second).status).toBe(200);
  expect(sockets).toHaveLength(3);
  expect(sockets[2]).not.toBe(sockets[0]);
  expect(turn.failure()).toBeNull();
});

test('a kept connection that closes in the moment of use is replaced at once', async () => {
  let requests = 0;
  const upstream = await serve((request, response) => {
    requests += 1;
    if (requests === 2) return void request.socket.destroy();
    response.end('{}');
  });
  const turn = await openTurn({ upstream: { baseUrl: upstream } });
  expect((await post(turn)).status).toBe(200);
  expect((await post(turn)).status).toBe(200);
  expect(requests).toBe(3);
});

test('one that breaks off in the middle of an answer is not asked again', async () => {
  let requests = 0;
  const upstream = await serve((request, response) => {
    requests += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {}\n\n');
    if (requests === 2) setImmediate(() => request.socket.destroy());
    else response.end();
  });
  const turn = await openTurn({ upstream: { baseUrl: upstream } });
  await (await post(turn)).text();
  await expect(post(turn).then((answer) => answer.text())).rejects.toThrow();
  expect(requests).toBe(2);
});

test('silence is told, and that it ended; without end the model is away', async () => {
  const told: boolean[] = [];
  let speak: () => void = () => {};
  let requests = 0;
  const upstream = await serve((_request, response) => {
    requests += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    speak = () => response.write('data: {}\n\n');
    response.flushHeaders();
  });
  const silent = await serve(() => {
    requests += 1;
  });
  const turn = await openTurn(
    { upstream: { baseUrl: upstream } },
    { onSilence: (isSilent) => told.push(isSilent) },
  );
  const reader = (await post(turn)).body?.getReader();
  await vi.advanceTimersByTimeAsync(19_000);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(told).toEqual([true]);
  speak();
  await reader?.read();
  expect(told).toEqual([true, false]);

  const other = await openTurn({ upstream: { baseUrl: silent } }, { once: true });
  const answer = post(other);
  await until(() => requests === 2);
  await vi.advanceTimersByTimeAsync(300_000);
  expect((await answer).status).toBe(503);
  expect(other.failure()).toEqual({ status: null, model: 'm' });
});
