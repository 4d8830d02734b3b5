// A whole installation: ingress -> SQS -> worker (real runtime client, real agent) -> reply, over DynamoDB Local and
// the stand-ins for S3 and SQS. Only the model is scripted.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { answerAsDemo } from '../../src/agent/demo-model.ts';
import { systemClock } from '../../src/core/clock.ts';
import { RETENTION_SEC } from '../../src/core/defaults.ts';
import { newSessionId, sessionKeyOf, tenantOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { ALLOWED_USER, type Installation } from '../../testing/lambda/installation.ts';
import { createScriptedModel, type ScriptedModel } from '../../testing/model/scripted-model.ts';
import { runHostile } from '../api/hostile-requests.ts';
import { until } from '../waiting.ts';
import { isSignedWith, startReceiver } from '../webhooks/receiver.ts';
import { startBuiltInstallation } from './built-installation.ts';

const folder = mkdtempSync(join(tmpdir(), 'hybrid-installation-'));
const model: ScriptedModel = await createScriptedModel(answerAsDemo);
const CHAT = { tenant: 'default', channel: 'http', bot: 'local', thread: null };
let output = '';
let workerTimeoutMs = 900_000;

const started = await startBuiltInstallation({
  folder,
  modelUrl: model.url,
  workerTimeoutMs: () => workerTimeoutMs,
  onOutput: (text) => {
    output += text;
  },
});
const unavailable = 'unavailable' in started ? started.unavailable : null;
const installation = started as Installation;

beforeAll(() => {
  if (unavailable) console.warn(`Skipped: ${unavailable}`);
});
afterAll(async () => {
  if (!unavailable) await installation.close();
  await model.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Says something in a private chat; waits for the whole answer, and for the turn to be over. */
async function ask(chat: number, text: string, answer: RegExp): Promise<void> {
  onTestFailed(() => console.error(output.slice(-3_000)));
  const from = output.length;
  installation.bot.say(chat, text, { from: ALLOWED_USER });
  await until(
    () => installation.bot.chat(chat).botTexts.find((said) => answer.test(said)),
    `${answer} in answer to "${text}"`,
  );
  // Text is shown while the turn runs; only after its end is nothing of it left to be saved.
  await until(() => outcomesSince(from).includes('done'), 'the end of the turn');
}

function outcomesSince(from: number): string[] {
  const lines = output
    .slice(from)
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'));
  return lines.flatMap((line) => {
    const { message, outcome } = JSON.parse(line) as { message?: string; outcome?: string };
    return message === 'turn-ended' && outcome ? [outcome] : [];
  });
}

const handedOn = (from: number) => outcomesSince(from).filter((outcome) => outcome === 'continue').length;

function api(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${installation.apiKey}`, 'content-type': 'application/json' };
  return fetch(`${installation.apiUrl}${path}`, { ...init, headers: { ...headers, ...init.headers } });
}

describe.skipIf(unavailable)('an installation', () => {
  test(`${promise('WHOLE')}: the worker is killed and its /tmp emptied between two turns; files, shell and conversation are there again`, async () => {
    const [worker] = installation.workers;
    const [temporary = ''] = installation.temporary;
    await ask(
      ALLOWED_USER,
      'run: mkdir -p sub && cd sub && export MOOD=sunny && echo kept > note.txt && echo done-1',
      /done-1/,
    );
    const pid = worker?.pid;
    // Between turns the session's files wait for its next one, and nothing else of the turn is there.
    expect(readdirSync(temporary).sort()).toEqual(['.claude-code', 'workspace']);

    await worker?.kill();
    for (const name of readdirSync(temporary)) rmSync(join(temporary, name), { recursive: true });
    await ask(
      ALLOWED_USER,
      'run: echo "mood=$MOOD"; basename "$PWD"; cat note.txt',
      /mood=sunny\s+sub\s+kept/,
    );
    await ask(ALLOWED_USER, 'what did I say?', /mood=/);
    expect(worker?.pid).not.toBe(pid);
  });

  test('a turn of the API is told to a webhook by the function that sends, again after it was killed', async () => {
    const receiver = await startReceiver();
    try {
      receiver.answer = () => new Promise(() => {});
      const added = await api('/v1/webhooks', {
        method: 'POST',
        body: JSON.stringify({ url: receiver.url }),
      });
      const { id, secret } = (await added.json()) as { id: string; secret: string };
      const body = JSON.stringify({ text: 'hello' });
      const said = await api('/v1/chats/told/messages', { method: 'POST', body });
      const { turn_id } = (await said.json()) as { turn_id: string };
      await until(() => receiver.received.length === 1);
      receiver.answer = () => ({ status: 204 });
      await installation.webhooks.kill();
      // The claim of the dead one runs out after a minute; a replay does not wait for it.
      const [message] = receiver.received;
      const replay = `/v1/webhooks/${id}/deliveries/${message?.id}/replay`;
      expect((await api(replay, { method: 'POST', body: '{}' })).status).toBe(202);
      await until(() => receiver.received.length > 1);
      expect(receiver.received[1]).toMatchObject({ id: message?.id, body: message?.body });
      expect(JSON.parse(message?.body ?? '')).toMatchObject({ type: 'turn.final', data: { turn_id } });
      expect(receiver.received.every((one) => isSignedWith(secret, one))).toBe(true);
      await api(`/v1/webhooks/${id}`, { method: 'DELETE' });
    } finally {
      await receiver.close();
    }
  });

  test('the agent got a token of its own, the model the real key', () => {
    const keys = new Set(model.requests.map((request) => request.headers['x-api-key']));
    expect([...keys]).toEqual(['sk-local-model-key']);
  });

  test(`${promise('ONCE-IN')}: the same update twice is one reply`, async () => {
    const { bot } = installation;
    const { updateId } = bot.say(ALLOWED_USER, 'run: echo only-once-$((6*7))');
    await bot.redeliver(updateId);
    await until(() => bot.chat(ALLOWED_USER).botTexts.find((said) => said.includes('only-once-42')));
    await bot.redeliver(updateId);
    await ask(ALLOWED_USER, 'run: echo after-it', /after-it/);
    const replies = bot.chat(ALLOWED_USER).botTexts.filter((said) => said.includes('only-once-42'));
    expect(replies).toHaveLength(1);
  });

  test('nobody without the secret gets past ingress, nobody without the key past the API', async () => {
    const { webhookUrl, apiUrl, bot } = installation;
    const update = JSON.stringify({ update_id: 1, message: {} });
    const post = async (headers: Record<string, string>) =>
      (await fetch(webhookUrl, { method: 'POST', body: update, headers })).status;
    expect(await post({})).toBe(401);
    expect(await post({ 'x-telegram-bot-api-secret-token': 'guessed-guessed-guessed' })).toBe(401);
    expect(await post({ 'x-telegram-bot-api-secret-token': bot.feed.webhook?.secret ?? '' })).toBe(200);
    expect((await fetch(new URL('/', webhookUrl))).status).toBe(404);
    for (const path of ['/v1/chats', '/v1/info', '/v1/turns/turn_x']) {
      expect((await fetch(`${apiUrl}${path}`)).status, path).toBe(401);
    }
    const page = await fetch(apiUrl);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect((await fetch(`${apiUrl}/assets/vendor/marked.js`)).status).toBe(200);
  });

  test('every route x every way to come wrongly is refused by the function URL as on one machine', async () => {
    const { apiUrl, apiKey, dynamo, tables } = installation;
    const store = createDynamoSessionStore({ client: dynamo.client(), ...tables, clock: systemClock });
    const conversation = { ...CHAT, channel: 'telegram', bot: '42', chat: '7' };
    const request = turnRequest({ conversation, dedupeId: '1', text: 'private', receivedAtMs: Date.now() });
    const { turnId } = await store.accept(request, RETENTION_SEC);
    const target = { url: apiUrl, key: apiKey, foreignTurn: turnId, knowsHosts: false };
    expect(await runHostile(target)).toEqual([]);
  });

  test("a turn's events stream through the function URL while it runs in the worker", async () => {
    const response = await api('/v1/chats/web-stream/messages', {
      method: 'POST',
      body: JSON.stringify({ text: 'slowly: one two three' }),
      headers: { accept: 'text/event-stream' },
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const pieces: string[] = [];
    for await (const piece of response.body ?? []) pieces.push(Buffer.from(piece).toString());
    expect(pieces.length).toBeGreaterThan(2);
    const names = [...pieces.join('').matchAll(/^event: (\w+)$/gm)].map((match) => match[1]);
    expect(names[0]).toBe('status');
    expect(names).toContain('text');
    expect(names.at(-1)).toBe('final');
    const chats = (await (await api('/v1/chats')).json()) as { chats: { chat: string }[] };
    expect(chats.chats.map(({ chat }) => chat)).toContain('web-stream');
    expect((await api('/v1/chats/web-stream', { method: 'DELETE' })).status).toBe(204);
  });

  test('at its deadline a turn is saved and goes on in the next invocation', async () => {
    let asked = 0;
    model.respondWith((request) => {
      const prompt = JSON.stringify(request.raw);
      if (!prompt.includes('a long piece of work')) return answerAsDemo(request);
      asked += 1;
      if (asked > 1) return { blocks: [{ type: 'text', text: 'Finished after a break.' }] };
      // The next invocation has all the time it may need.
      workerTimeoutMs = 900_000;
      return { blocks: [{ type: 'text', text: 'Working on it '.repeat(20_000) }], pauseMs: 150 };
    });
    const from = output.length;
    // The worker saves and hands on 30 s before its end: 5 s into a turn.
    workerTimeoutMs = 35_000;
    try {
      await ask(ALLOWED_USER + 1, 'a long piece of work', /Finished after a break/);
    } finally {
      model.respondWith(answerAsDemo);
    }
    // On a busy machine the first 5 s may end before the model was asked; such a part is handed on as well.
    expect(outcomesSince(from)).toEqual([...Array(handedOn(from)).fill('continue'), 'done']);
    expect(handedOn(from)).toBeGreaterThan(0);
  });

  test('a turn that no worker could take on is given up with one message, and waits for a person', async () => {
    const { sqs, queueUrls } = installation;
    const request = turnRequest({
      conversation: { ...CHAT, chat: 'web-stranded' },
      dedupeId: 'stranded-1',
      text: 'hello?',
      receivedAtMs: Date.now(),
    });
    const stranded = createSqsTurnQueue({
      ...localAws,
      endpoint: sqs.endpoint,
      queueUrl: queueUrls.stranded,
      deadLetterQueueUrl: queueUrls.dead,
    });
    try {
      await stranded.send(request);
      const turn = await until(async () => {
        const found = (await (await api(`/v1/turns/${request.turnId}`)).json()) as {
          status?: string;
          reply?: { outcome: string; code: string };
        };
        return found.status === 'delivered' ? found : undefined;
      });
      expect(turn.reply).toMatchObject({ outcome: 'failed', code: 'gave-up' });
      const dead = await until(async () => (await stranded.deadLetters.list()).items[0]);
      expect(dead.request.turnId).toBe(request.turnId);
    } finally {
      await stranded.close();
    }
  });

  test(`${promise('EXPIRE')}: the daily sweep removes objects, head and mapping of an expired session, and of no other`, async () => {
    const { dynamo, tables, s3, sweep } = installation;
    const live = (await (
      await api('/v1/chats/web-lives/messages', { method: 'POST', body: JSON.stringify({ text: 'hello' }) })
    ).json()) as { session_id: string };
    const longAgo = { now: () => Date.now() - 40 * 86_400_000, sleep: systemClock.sleep };
    const sessionKey = sessionKeyOf({ ...CHAT, chat: 'web-expired' });
    const tenant = tenantOf(sessionKey);
    const sessionId = newSessionId();
    const client = dynamo.client();
    const then = createDynamoSessionStore({ client, ...tables, clock: longAgo });
    await then.adopt({ sessionKey, sessionId, generation: 1, state: {}, retentionSec: RETENTION_SEC });
    const objects = createS3ObjectStore({
      ...localAws,
      endpoint: s3.endpoint,
      bucket: 'sessions',
      forcePathStyle: true,
    });
    await objects.put(`${tenant}/${sessionId}/pack`, new Uint8Array([1]));

    const { error, body } = await sweep.invoke({ source: 'aws.events' });
    expect([error, JSON.parse(body.toString())]).toEqual([null, { removed: 1 }]);
    expect(await then.getHead(tenant, sessionId)).toBeNull();
    expect(await then.getMapping(sessionKey)).toBeNull();
    const left = [];
    for await (const { key } of objects.list('')) left.push(key.split('/')[1]);
    expect(left).not.toContain(sessionId);
    expect(left).toContain(live.session_id);
    const again = await sweep.invoke({ source: 'aws.events' });
    expect(JSON.parse(again.body.toString())).toEqual({ removed: 0 });
  });

  test('the secret is in no variable, and no secret or word of a chat is in any log line', async () => {
    const { bot, apiKey } = installation;
    expect(output).toContain('turn-ended');
    for (const secret of [
      bot.token,
      apiKey,
      bot.feed.webhook?.secret ?? '?',
      'sk-local-model-key',
      'only-once',
    ]) {
      expect(output).not.toContain(secret);
    }
  });

  test('setup keeps secrets on an update; at the end it takes webhook and secrets back, but no webhook of another', async () => {
    const { setup, parameters, bot, webhookUrl, prepare, registrations } = installation;
    const secrets = [...parameters.values.keys()].filter((name) => /secret|api-key/.test(name));
    expect(secrets).toHaveLength(2);
    const before = secrets.map((name) => parameters.values.get(name));
    await setup({ type: 'Update', properties: prepare, before: prepare, physicalId: 'prepare' });
    expect(secrets.map((name) => parameters.values.get(name))).toEqual(before);

    const webhook = (url: string) => ({ ...registrations[0], url });
    await setup({ type: 'Delete', properties: webhook('https://another.example/'), physicalId: 'x' });
    expect(bot.feed.webhook?.url).toBe(webhookUrl);
    await setup({ type: 'Delete', properties: webhook(new URL('/', webhookUrl).href), physicalId: 'x' });
    expect(bot.feed.webhook?.url ?? '').toBe('');
    await setup({ type: 'Delete', properties: prepare, physicalId: 'prepare' });
    expect(secrets.filter((name) => parameters.values.has(name))).toEqual([]);
    await expect(
      setup({
        type: 'Create',
        properties: { ...prepare, identify: { telegram: { token: '/local/absent' } } },
      }),
    ).rejects.toThrow('/local/absent');
  });
});
