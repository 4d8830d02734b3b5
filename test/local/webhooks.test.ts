// Webhooks of a whole local system: a killed worker costs no message, and what a server could not bring goes out at its next start.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createClient, type WebhookMessage } from '../../src/client/index.ts';
import { promise } from '../../src/core/promises.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { until } from '../waiting.ts';
import { isSignedWith, startReceiver } from '../webhooks/receiver.ts';

const folder = await mkdtemp(join(tmpdir(), 'hybrid-sessions-webhooks-'));
const receiver = await startReceiver();
let system: TestSystem | null = null;
afterAll(async () => {
  await system?.close();
  await receiver.close();
  await rm(folder, { recursive: true, force: true });
});
await writeFile(
  join(folder, 'hybrid-sessions.config.json'),
  JSON.stringify({ webhooks: { privateAddresses: ['127.0.0.1'] } }),
);
const start = async () => {
  system = await startLocalSystem({ dataDir: join(folder, 'data'), cwd: folder, workers: 2 });
  return { running: system, client: createClient({ url: system.url, token: system.key }) };
};
const turnsTold = () =>
  receiver.received.map(({ id, body }) => [id, (JSON.parse(body) as WebhookMessage).data.turn_id] as const);

test(`${promise('ONCE-OUT')} every turn is told, each under one id, though workers are killed meanwhile`, async () => {
  const { running, client } = await start();
  const { id, secret } = await client.webhooks.add({ url: receiver.url });
  const sent = Array.from({ length: 6 }, (_, at) => client.send(`chat-${at}`, `hello ${at}`));
  const turns = await Promise.all(sent.map(({ accepted }) => accepted));
  // In the midst of it: some turns are done, some run, some wait.
  const [first] = running.workerPids();
  await Promise.race(sent);
  process.kill(first!, 'SIGKILL');
  const answers = await Promise.all(sent);
  expect(answers.every(({ reply }) => reply.outcome === 'ok')).toBe(true);
  await until(async () =>
    (await client.webhooks.deliveries(id)).deliveries.every(({ status }) => status === 'delivered'),
  );
  await until(() => turns.every((turn) => turnsTold().some(([, told]) => told === turn)));
  const ids = new Map<string, Set<string>>();
  for (const [message, turn] of turnsTold()) ids.set(turn, (ids.get(turn) ?? new Set()).add(message));
  expect([...ids.keys()].sort()).toEqual([...turns].sort());
  for (const messages of ids.values()) expect(messages.size).toBe(1);
  expect(receiver.received.every((one) => isSignedWith(secret, one))).toBe(true);
});

test('what was on its way when the server ended comes again under its id, and a replay says the same', async () => {
  const { client } = { client: createClient({ url: system!.url, token: system!.key }) };
  const [webhook] = await client.webhooks.list();
  const before = receiver.received.length;
  receiver.answer = () => new Promise(() => {});
  await client.send('later', 'hello');
  await until(() => receiver.received.length > before);
  await system!.close();
  receiver.answer = () => ({ status: 204 });
  const { client: again } = await start();
  await until(() => receiver.received.length > before + 1);
  const [lost, brought] = receiver.received.slice(before);
  expect(brought).toMatchObject({ id: lost?.id, body: lost?.body });
  const line = async () => (await again.webhooks.deliveries(webhook!.id, { limit: 1 })).deliveries[0];
  await until(async () => (await line())?.status === 'delivered');
  await again.webhooks.replay(webhook!.id, lost!.id);
  await until(() => receiver.received.length > before + 2);
  expect(receiver.received.at(-1)).toMatchObject({ id: lost?.id, body: lost?.body });
});

test('an erased chat is told no more, and the log forgets it', async () => {
  const client = createClient({ url: system!.url, token: system!.key });
  const [webhook] = await client.webhooks.list();
  const log = async () => (await client.webhooks.deliveries(webhook!.id)).deliveries;
  const told = (await log()).length;
  await client.erase('later');
  expect(await log()).toHaveLength(told - 1);
});
