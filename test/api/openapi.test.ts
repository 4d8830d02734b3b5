// The document against the server, both ways: every route is described and every description is a route; and
// every described response is brought about here and fits its schema.
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import openapi from '../../openapi.json' with { type: 'json' };
import { apiRoutes, createApp } from '../../src/api/app.ts';
import { Ambiguous } from '../../src/core/errors.ts';
import { sessionKeyOf } from '../../src/core/ids.ts';
import { OverLimit } from '../../src/core/limits.ts';
import { createMemorySchedules } from '../../src/stores/memory/index.ts';
import type { Trigger } from '../../src/triggers/trigger-file.ts';
import { scheduleOf } from '../../testing/contracts/schedules.ts';
import { createFilesFixture } from './files-fixture.ts';
import { type ApiFixture, asksFor, createApiFixture, says } from './fixture.ts';

interface Operation {
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>;
}
const paths = openapi.paths as unknown as Record<string, Record<string, Operation>>;
const KEY = 'the-key-of-this-test';
const NO_TURN = `turn_${'0'.repeat(32)}`;
const NO_QUESTION = `q${'0'.repeat(16)}`;
const NO_GRANT = `g${'0'.repeat(16)}`;

const ajv = new Ajv2020({ strict: false, allErrors: true });
(addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
ajv.addSchema(openapi, 'api');

/** Steps of a chat that are no message. */
const STEPS = ['undo', 'redo', 'fork', 'link', 'unlink'].map((name) => ({
  path: `/v1/chats/{chat}/${name}`,
  address: (chat: string) => `/v1/chats/${chat}/${name}`,
  body: name === 'undo' ? { turns: 1 } : name === 'fork' ? { to: 'another' } : {},
}));

const STORE_METHODS = [
  'listMappings',
  'getMapping',
  'listTurns',
  'getTurn',
  'accept',
  'erase',
  'requestStop',
] as const;
const defect = () => Promise.reject(new Error('a defect'));

const seen = new Set<string>();

/** Checks one answer against the document and notes that it was seen. */
async function fits(
  response: Pick<Response, 'status' | 'text' | 'headers'>,
  method: string,
  path: string,
): Promise<unknown> {
  const described = paths[path]?.[method]?.responses[response.status];
  expect(described, `${method} ${path} ${response.status}`).toBeDefined();
  seen.add(`${method} ${path} ${response.status}`);
  const name = described?.$ref?.split('/').at(-1);
  const resolved = name
    ? (openapi.components.responses as Record<string, Operation['responses'][string]>)[name]
    : described;
  const text = await response.text();
  if (!resolved?.content) return expect(text).toBe('');
  const type = response.headers.get('content-type')?.split(';')[0] ?? '';
  const media = resolved.content[type];
  expect(media, `${method} ${path} ${response.status} ${type}`).toBeDefined();
  if (type.startsWith('text/') || type === 'application/octet-stream') return text;
  const pointer = name
    ? `#/components/responses/${name}/content/${pointerPart(type)}/schema`
    : `#/paths/${pointerPart(path)}/${method}/responses/${response.status}/content/${pointerPart(type)}/schema`;
  const validate = ajv.getSchema(`api${pointer}`);
  const body = JSON.parse(text);
  if (validate === undefined) throw new Error(`no schema at ${pointer}`);
  expect(validate(body), `${method} ${path}: ${ajv.errorsText(validate.errors)} in ${text}`).toBe(true);
  return body;
}

function pointerPart(part: string): string {
  return encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'));
}

describe('openapi.json', () => {
  let fixture: ApiFixture;
  let storeIsDown = false;

  beforeAll(() => {
    fixture = createApiFixture({ app: { apiKeys: [KEY], openapi } });
    const { store } = fixture.options;
    for (const name of STORE_METHODS) {
      const real = store[name].bind(store) as (...args: unknown[]) => Promise<unknown>;
      Object.assign(store, {
        [name]: (...args: unknown[]) => {
          if (storeIsDown) return Promise.reject(new Ambiguous('no-answer', 'The store did not answer.'));
          return real(...args);
        },
      });
    }
  });
  afterAll(() => fixture.close());

  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    fixture.call(method.toUpperCase(), path, body, { authorization: `Bearer ${KEY}`, ...headers });

  test('describes every route, and nothing else', () => {
    const routes = apiRoutes(fixture.options).map(({ method, path }) => `${method} ${path}`);
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    expect(described.sort()).toEqual(routes.sort());
  });

  test('good answers', async () => {
    fixture.agent = async () => ({
      ...says('reply'),
      usage: { inputTokens: 1, outputTokens: 2, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: 0.1 },
    });
    const send = '/v1/chats/{chat}/messages';
    const answer = (await fits(await call('post', '/v1/chats/c/messages', { text: 'hi' }), 'post', send)) as {
      turn_id: string;
    };
    const turn = `/v1/turns/${answer.turn_id}`;
    const prefer = { prefer: 'respond-async' };
    await fits(await call('post', '/v1/chats/c/messages', { text: 'hi' }, prefer), 'post', send);
    await fits(
      await call('post', '/v1/chats/c/messages', { text: 'x' }, { accept: 'text/event-stream' }),
      'post',
      send,
    );
    await fits(await call('post', '/v1/chats/c/new', {}), 'post', '/v1/chats/{chat}/new');
    await fits(await call('post', '/v1/chats/c/new', {}, prefer), 'post', '/v1/chats/{chat}/new');
    for (const { path, address, body } of STEPS) {
      await fits(await call('post', address('c'), body), 'post', path);
      await fits(await call('post', address('c'), body, prefer), 'post', path);
    }
    await fits(await call('get', '/v1/chats'), 'get', '/v1/chats');
    await fits(await call('get', '/v1/chats/c'), 'get', '/v1/chats/{chat}');
    await fits(await call('get', turn), 'get', '/v1/turns/{id}');
    // Written a moment after the answer.
    await expect.poll(async () => (await call('get', `${turn}/timeline`)).status).toBe(200);
    await fits(await call('get', `${turn}/timeline`), 'get', '/v1/turns/{id}/timeline');
    const events = (await fits(
      await call('get', `${turn}/events`),
      'get',
      '/v1/turns/{id}/events',
    )) as string;
    const last = /id: (\d+)\nevent: final/.exec(events)?.[1] ?? '';
    await fits(
      await call('get', `${turn}/events`, undefined, { 'last-event-id': last }),
      'get',
      '/v1/turns/{id}/events',
    );
    await fits(await call('post', `${turn}/stop`, {}), 'post', '/v1/turns/{id}/stop');
    for (const path of ['/v1/info', '/healthz', '/openapi.json', '/metrics'])
      await fits(await call('get', path), 'get', path);
    const metrics = { contentType: 'text/plain; version=0.0.4', text: async () => 'turns 1\n' };
    const headers = { authorization: `Bearer ${KEY}` };
    const measured = await createApp({ ...fixture.options, metrics }).request('/metrics', { headers });
    await fits(measured, 'get', '/metrics');
  });

  test('refusals', async () => {
    const send = '/v1/chats/{chat}/messages';
    const fresh = '/v1/chats/{chat}/new';
    const stop = '/v1/turns/{id}/stop';
    const key = { 'idempotency-key': 'used' };
    await call('post', '/v1/chats/k/messages', { text: 'one' }, key);
    await fits(await call('post', '/v1/chats/k/messages', { text: 'two' }, key), 'post', send);
    await fits(await call('post', '/v1/chats/k/new', {}, key), 'post', fresh);
    const { turn_id: turnId } = await (
      await call('post', '/v1/chats/k/messages', { text: 'one' }, key)
    ).json();
    for (const { path, address, body } of STEPS) {
      await fits(await call('post', address('k'), body, key), 'post', path);
    }
    for (const [path, address] of [
      ...STEPS.map((step) => [step.path, step.address('k')] as const),
      [send, '/v1/chats/k/messages'],
      [fresh, '/v1/chats/k/new'],
      [stop, `/v1/turns/${turnId}/stop`],
    ] as const) {
      await fits(await call('post', address, { other: 1 }), 'post', path);
      await fits(await call('post', address, 'x'.repeat(1024 * 1024 + 1)), 'post', path);
      await fits(await call('post', address, '{}', { 'content-type': 'text/plain' }), 'post', path);
    }
    await fits(await call('get', '/v1/chats?limit=0'), 'get', '/v1/chats');
    await fits(await call('get', '/v1/chats/k?limit=0'), 'get', '/v1/chats/{chat}');
    await fits(await call('delete', '/v1/chats/a%20b'), 'delete', '/v1/chats/{chat}');
    const odd = { 'last-event-id': 'x' };
    await fits(
      await call('get', `/v1/turns/${turnId}/events`, undefined, odd),
      'get',
      '/v1/turns/{id}/events',
    );
    await fits(await call('get', '/v1/chats/none'), 'get', '/v1/chats/{chat}');
    await fits(await call('delete', '/v1/chats/none'), 'delete', '/v1/chats/{chat}');
    await fits(await call('get', `/v1/turns/${NO_TURN}`), 'get', '/v1/turns/{id}');
    await fits(await call('get', `/v1/turns/${NO_TURN}/events`), 'get', '/v1/turns/{id}/events');
    await fits(await call('get', `/v1/turns/${NO_TURN}/timeline`), 'get', '/v1/turns/{id}/timeline');
    await fits(await call('post', `/v1/turns/${NO_TURN}/stop`, {}), 'post', stop);
    const admit = () =>
      Promise.reject(new OverLimit({ of: 'waiting', party: 'chat', limit: 1 }, 10_000, true));
    const full = createApp({ ...fixture.options, openapi, admit });
    for (const [path, address, body] of [
      [send, '/v1/chats/k/messages', { text: 'x' }],
      [fresh, '/v1/chats/k/new', {}],
      ...STEPS.map((step) => [step.path, step.address('k'), step.body] as const),
    ] as const) {
      const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
      const response = await full.request(address, { method: 'POST', headers, body: JSON.stringify(body) });
      expect([response.status, response.headers.get('retry-after')]).toEqual([429, '10']);
      await fits(response, 'post', path);
    }
  });

  test('questions, answers and permissions', async () => {
    const list = '/v1/chats/{chat}/questions';
    const answer = '/v1/chats/{chat}/questions/{id}';
    const permissions = '/v1/chats/{chat}/permissions';
    const permission = '/v1/chats/{chat}/permissions/{id}';
    const ask = async () => {
      fixture.agent = asksFor('npm publish');
      await fits(
        await call('post', '/v1/chats/q/messages', { text: 'x' }),
        'post',
        '/v1/chats/{chat}/messages',
      );
      fixture.agent = async () => says('done');
      const open = await fits(await call('get', '/v1/chats/q/questions'), 'get', list);
      return `/v1/chats/q/questions/${(open as { questions: { id: string }[] }).questions[0]?.id}`;
    };
    const prefer = { prefer: 'respond-async' };
    const first = await ask();
    const key = { 'idempotency-key': 'once' };
    for (const [body, headers] of [
      [{ decision: 'chat' }, key],
      [{ decision: 'deny' }, key],
      [{ decision: 'maybe' }, {}],
      [{ decision: 'once', text: 'x' }, {}],
      [{ decision: 'reply' }, {}],
      ['x'.repeat(1024 * 1024 + 1), {}],
      ['{}', { 'content-type': 'text/plain' }],
      [{ decision: 'deny', text: 'No.' }, prefer],
    ] as const) {
      await fits(await call('post', first, body, headers), 'post', answer);
    }
    const found = (await fits(await call('get', '/v1/chats/q/permissions'), 'get', permissions)) as {
      permissions: { id: string }[];
    };
    const granted = `/v1/chats/q/permissions/${found.permissions[0]?.id}`;
    await fits(await call('delete', granted, undefined, prefer), 'delete', permission);
    await fits(await call('delete', granted), 'delete', permission);
    for (const path of ['/v1/chats/none/questions', '/v1/chats/a%20b/questions']) {
      await fits(await call('get', path), 'get', list);
      await fits(await call('get', path.replace('questions', 'permissions')), 'get', permissions);
    }
    const decision = { decision: 'once' };
    await fits(await call('post', '/v1/chats/q/questions/q1', decision), 'post', answer);
    await fits(await call('delete', '/v1/chats/q/permissions/g1'), 'delete', permission);
    await fits(
      await call('delete', granted, undefined, { 'idempotency-key': 'ä'.repeat(3) }),
      'delete',
      permission,
    );
    const admit = () =>
      Promise.reject(new OverLimit({ of: 'waiting', party: 'chat', limit: 1 }, 10_000, true));
    const full = createApp({ ...fixture.options, openapi, admit });
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    const body = JSON.stringify(decision);
    await fits(await full.request(first, { method: 'POST', headers, body }), 'post', answer);
    await fits(await full.request(granted, { method: 'DELETE', headers }), 'delete', permission);
  });

  test('schedules and time zones', async () => {
    const list = '/v1/chats/{chat}/schedules';
    const one = '/v1/chats/{chat}/schedules/{id}';
    const zone = '/v1/chats/{chat}/time-zone';
    const schedule = scheduleOf(Date.now(), 's', 0, '0 9 * * *', 'default');
    const conversation = { ...schedule.conversation, bot: 'local' };
    const sessionKey = sessionKeyOf(conversation);
    const schedules = createMemorySchedules();
    await schedules.add({ ...schedule, conversation, sessionKey });
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    const over = (parts: object) => createApp({ ...fixture.options, openapi, ...parts });
    const post = (address: string, body: unknown, parts: object = { schedules }, more = {}) =>
      over(parts).request(address, {
        method: 'POST',
        headers: { ...headers, ...more },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      });
    const get = (address: string, parts: object = { schedules }) => over(parts).request(address, { headers });
    const own = `/v1/chats/s/schedules/${schedule.id}`;
    for (const action of ['pause', 'resume', 'run', 'cancel'])
      await fits(await post(own, { action }), 'post', one);
    const listed = (await fits(await get('/v1/chats/s/schedules'), 'get', list)) as { schedules: unknown[] };
    expect(listed.schedules).toEqual([
      expect.objectContaining({ status: 'cancelled', runs: [expect.objectContaining({ times: 1 })] }),
    ]);
    await fits(await post('/v1/chats/s/time-zone', { time_zone: 'Asia/Tokyo' }), 'post', zone);
    await fits(await post('/v1/chats/s/time-zone', { time_zone: 'Mars/Olympus' }), 'post', zone);
    await fits(await post('/v1/chats/s/schedules/sch_1', { action: 'run' }), 'post', one);
    await fits(await get('/v1/chats/a%20b/schedules'), 'get', list);
    for (const [path, address, body] of [
      [one, own, { action: 'nothing' }],
      [one, own, 'x'.repeat(1024 * 1024 + 1)],
      [zone, '/v1/chats/s/time-zone', 'x'.repeat(1024 * 1024 + 1)],
    ] as const) {
      await fits(await post(address, body), 'post', path);
    }
    const plain = { 'content-type': 'text/plain' };
    await fits(await post(own, '{}', { schedules }, plain), 'post', one);
    await fits(await post('/v1/chats/s/time-zone', '{}', { schedules }, plain), 'post', zone);
    const failing = (error: Error) => {
      const fails = () => Promise.reject(error);
      return { schedules: { ...schedules, list: fails, timeZoneOf: fails, setTimeZone: fails } };
    };
    for (const parts of [
      {},
      failing(new Error('a defect')),
      failing(new Ambiguous('no-answer', 'None came.')),
    ]) {
      await fits(await get('/v1/chats/s/schedules', parts), 'get', list);
      await fits(await post(own, { action: 'run' }, parts), 'post', one);
      await fits(await post('/v1/chats/s/time-zone', { time_zone: 'UTC' }, parts), 'post', zone);
    }
  });

  test('webhooks', async () => {
    const all = '/v1/webhooks';
    const [one, secret, log] = [`${all}/{id}`, `${all}/{id}/secret`, `${all}/{id}/deliveries`];
    const replay = `${log}/{delivery}/replay`;
    const body = { url: 'https://shop.example.com/hook' };
    const added = (await fits(await call('post', all, body), 'post', all)) as { id: string };
    const own = `${all}/${added.id}`;
    await fits(await call('get', all), 'get', all);
    await call('post', '/v1/chats/told/messages', { text: 'x' });
    const listed = (await fits(await call('get', `${own}/deliveries`), 'get', log)) as {
      deliveries: { id: string; event: string }[];
    };
    expect(listed.deliveries).toEqual([expect.objectContaining({ event: 'turn.final', status: 'pending' })]);
    const again = `${own}/deliveries/${listed.deliveries[0]?.id}/replay`;
    await fits(await call('post', again, {}), 'post', replay);
    await fits(await call('post', `${own}/secret`, {}), 'post', secret);
    const posts = [
      [all, all],
      [secret, `${own}/secret`],
      [replay, again],
    ] as const;
    for (const [path, address] of posts) {
      await fits(await call('post', address, { other: 1 }), 'post', path);
      await fits(await call('post', address, 'x'.repeat(1024 * 1024 + 1)), 'post', path);
      await fits(await call('post', address, '{}', { 'content-type': 'text/plain' }), 'post', path);
    }
    await fits(await call('get', `${own}/deliveries?limit=0`), 'get', log);
    const none = `${all}/wh_${'0'.repeat(16)}`;
    await fits(await call('delete', none), 'delete', one);
    await fits(await call('post', `${none}/secret`, {}), 'post', secret);
    await fits(await call('get', `${none}/deliveries`), 'get', log);
    await fits(await call('post', `${own}/deliveries/msg_1/replay`, {}), 'post', replay);
    const { webhooks: _, ...bare } = fixture.options;
    const failing = (error: Error) => ({ ...fixture.options.webhooks!, list: () => Promise.reject(error) });
    for (const options of [
      bare,
      { ...bare, webhooks: failing(new Error('a defect')) },
      { ...bare, webhooks: failing(new Ambiguous('no-answer', 'None came.')) },
    ]) {
      const app = createApp({ ...options, openapi });
      const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
      const ask = (method: string, address: string, sent?: object) =>
        app.request(address, { method, headers, ...(sent && { body: JSON.stringify(sent) }) });
      await fits(await ask('GET', all), 'get', all);
      await fits(await ask('POST', all, body), 'post', all);
      await fits(await ask('DELETE', own), 'delete', one);
      await fits(await ask('POST', `${own}/secret`, {}), 'post', secret);
      await fits(await ask('GET', `${own}/deliveries`), 'get', log);
      await fits(await ask('POST', again, {}), 'post', replay);
    }
    await fits(await call('delete', own), 'delete', one);
  });

  test('files and folders', async () => {
    const announce = '/v1/chats/{chat}/files';
    const put = '/v1/chats/{chat}/files/{file}';
    const get = '/v1/turns/{id}/files/{file}';
    const list = '/v1/chats/{chat}/workspace';
    const read = '/v1/chats/{chat}/workspace/file';
    const {
      fixture: withFiles,
      file,
      bytes,
    } = await (async () => {
      const made = createFilesFixture({ apiKeys: [KEY], openapi });
      made.agent = async (run) => {
        writeFileSync(join(run.directory.workspace, 'a.txt'), 'a');
        return says('done');
      };
      return { fixture: made, file: { name: 'a.txt', bytes: 1, media_type: 'text/plain' }, bytes: 'a' };
    })();
    const key = { 'idempotency-key': 'one' };
    const over = (parts: object) => createApp({ ...withFiles.options, openapi, ...parts });
    const ask = (method: string, address: string, body?: unknown, headers = {}, parts: object = {}) =>
      over(parts).request(address, {
        method,
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
    const failing = (error: Error) => async () => {
      throw error;
    };
    const broken = (error: Error) => ({
      transfers: { receive: failing(error), uploadTo: failing(error), downloadFrom: failing(error) },
      workspace: { list: failing(error), open: failing(error) },
    });
    const away = new Ambiguous('no-answer', 'None came.');
    const defective = new Error('a defect');
    const announced = (await fits(await ask('POST', '/v1/chats/f/files', file, key), 'post', announce)) as {
      file: string;
      upload: { url: string };
    };
    await fits(await ask('PUT', announced.upload.url, bytes, key), 'put', put);
    const message = { text: 'x', files: [{ file: announced.file, name: 'a.txt', media_type: 'text/plain' }] };
    const { turn_id } = (await fits(
      await ask('POST', '/v1/chats/f/messages', message, key),
      'post',
      '/v1/chats/{chat}/messages',
    )) as { turn_id: string };
    const own = `/v1/turns/${turn_id}/files/${announced.file}`;
    await fits(await ask('GET', own), 'get', get);
    const elsewhere = { transfers: { downloadFrom: async () => 'https://bucket.example/a' } };
    await fits(await ask('GET', own, undefined, {}, elsewhere), 'get', get);
    await fits(await ask('GET', `/v1/turns/${turn_id}`), 'get', '/v1/turns/{id}');
    await fits(await ask('GET', '/v1/chats/f/workspace'), 'get', list);
    await fits(await ask('GET', '/v1/chats/f/workspace/file?path=a.txt'), 'get', read);
    const huge = { workspace: { open: async () => ({ name: 'a', bytes: 1e9, modifiedAtMs: 0 }) } };
    await fits(await ask('GET', '/v1/chats/f/workspace/file?path=a.txt', undefined, {}, huge), 'get', read);
    for (const [address, path] of [
      ['/v1/chats/f/workspace?path=..', list],
      ['/v1/chats/f/workspace?path=none', list],
      ['/v1/chats/f/workspace?limit=0', list],
      ['/v1/chats/f/workspace?cursor=x', list],
      ['/v1/chats/f/workspace/file?path=..', read],
      ['/v1/chats/f/workspace/file', read],
      ['/v1/chats/f/workspace/file?path=none', read],
      [`/v1/turns/${NO_TURN}/files/up-1`, get],
    ] as const) {
      await fits(await ask('GET', address), 'get', path);
    }
    const nothing = { transfers: undefined, workspace: undefined };
    for (const parts of [nothing, broken(away), broken(defective)]) {
      await fits(await ask('POST', '/v1/chats/f/files', file, key, parts), 'post', announce);
      await fits(await ask('PUT', announced.upload.url, bytes, key, parts), 'put', put);
      await fits(await ask('GET', own, undefined, {}, parts), 'get', get);
      await fits(await ask('GET', '/v1/chats/f/workspace', undefined, {}, parts), 'get', list);
      await fits(
        await ask('GET', '/v1/chats/f/workspace/file?path=a.txt', undefined, {}, parts),
        'get',
        read,
      );
    }
    await fits(await ask('POST', '/v1/chats/f/files', file), 'post', announce);
    await fits(await ask('POST', '/v1/chats/f/files', 'x'.repeat(1024 * 1024 + 1), key), 'post', announce);
    const plain = { ...key, 'content-type': 'text/plain' };
    await fits(await ask('POST', '/v1/chats/f/files', '{}', plain), 'post', announce);
    const admit = failing(new OverLimit({ of: 'waiting', party: 'chat', limit: 1 }, 10_000, true));
    await fits(await ask('POST', '/v1/chats/f/files', file, key, { admit }), 'post', announce);
    await fits(await ask('PUT', announced.upload.url, bytes), 'put', put);
    await fits(await ask('PUT', '/v1/chats/f/files/up-1', bytes, key), 'put', put);
    const large = { ...key, 'content-length': String(1e9) };
    await fits(await ask('PUT', announced.upload.url, bytes, large), 'put', put);
    await withFiles.close();
  });

  test('triggers', async () => {
    const path = '/v1/triggers/{name}';
    const trigger: Trigger = {
      ...{ name: 'new-issue', from: 'github', secrets: ['env:HOOK'] as never, events: ['issues'] },
      ...{ chat: 'issue-{issue.number}', text: 'Look into the issue.' },
    };
    const event = { action: 'opened', issue: { number: 7 } };
    const signed = (body: string, type = 'issues', id = 'event-1') => ({
      'x-hub-signature-256': `sha256=${createHmac('sha256', 'secret').update(body).digest('hex')}`,
      ...{ 'x-github-event': type, 'x-github-delivery': id, 'content-type': 'application/json' },
    });
    const ask = async (body: string, headers: Record<string, string>, parts: object = {}) => {
      const triggers = { list: [trigger], secret: async () => 'secret' };
      const app = createApp({ ...fixture.options, openapi, triggers, ...parts });
      const response = await app.request('/v1/triggers/new-issue', { method: 'POST', headers, body });
      await fits(response, 'post', path);
      return response.status;
    };
    const body = JSON.stringify(event);
    const full = new OverLimit({ of: 'waiting', party: 'chat', limit: 1 }, 10_000, true);
    const store = { ...fixture.options.store, accept: defect };
    expect([
      await ask(body, signed(body)),
      await ask(body, signed(body, 'ping')),
      await ask('[]', signed('[]')),
      await ask(body, { ...signed(body), 'x-hub-signature-256': 'sha256=00' }),
      await ask(body, signed(body), { triggers: undefined }),
      await ask('x'.repeat(1024 * 1024 + 1), signed(body)),
      await ask(body, { ...signed(body), 'content-type': 'text/plain' }),
      await ask(body, signed(body, 'issues', 'event-2'), { admit: () => Promise.reject(full) }),
      await ask(body, signed(body, 'issues', 'event-3'), { store }),
      await ask(body, signed(body), { triggers: { list: [trigger], secret: defect } }),
    ]).toEqual([202, 204, 400, 401, 404, 413, 415, 429, 500, 503]);
  });

  test('a running turn, then an erased chat', async () => {
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    fixture.agent = async () => {
      started.resolve();
      await release.promise;
      return says('done');
    };
    const sent = call('post', '/v1/chats/busy/messages', { text: 'x' });
    await started.promise;
    const shown = (await (await call('get', '/v1/chats/busy')).json()) as unknown as {
      turns: { turn_id: string }[];
    };
    const early = await call('get', `/v1/turns/${shown.turns[0]?.turn_id}/timeline`);
    expect(await fits(early, 'get', '/v1/turns/{id}/timeline')).toMatchObject({ code: 'no-timeline' });
    await fits(await call('delete', '/v1/chats/busy'), 'delete', '/v1/chats/{chat}');
    release.resolve();
    await sent;
    // Delivered a moment after it is answered.
    await expect
      .poll(async () => (await (await call('get', '/v1/chats/busy')).json()).turns[0]?.status)
      .toBe('delivered');
    await expect
      .poll(async () => {
        const response = await call('delete', '/v1/chats/busy');
        if (response.status === 204) await fits(response, 'delete', '/v1/chats/{chat}');
        return response.status;
      })
      .toBe(204);
  });

  test('what any route may answer: no key, a foreign host, no store, a defect', async () => {
    const addresses = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => [method, path] as const),
    );
    for (const [method, path] of addresses) {
      const id = path.includes('questions') ? NO_QUESTION : path.includes('permissions') ? NO_GRANT : NO_TURN;
      const address = path
        .replace('{chat}', 'k')
        .replace('{id}', id)
        .replace('{file}', `up-${'0'.repeat(16)}`);
      const step = STEPS.find((one) => one.path === path);
      const decision = path.includes('questions') ? { decision: 'once' } : {};
      const sent = path.endsWith('/messages') ? { text: 'x' } : method === 'post' ? decision : undefined;
      const body = step?.body ?? sent;
      const open = 'security' in (paths[path]?.[method] ?? {});
      if (!open) await fits(await fixture.call(method.toUpperCase(), address, body), method, path);
      await fits(await call(method, address, body, { host: 'evil.example' }), method, path);
      const store = {
        ...fixture.options.store,
        ...Object.fromEntries(STORE_METHODS.map((name) => [name, defect])),
      };
      const app = createApp({ ...fixture.options, store });
      const response = await app.request(address, {
        method: method.toUpperCase(),
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
      if (response.status === 500) await fits(response, method, path);
      storeIsDown = true;
      const refused = await call(method, address, body);
      if (refused.status === 503) await fits(refused, method, path);
      storeIsDown = false;
    }
  });

  test('every described answer was seen', () => {
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, { responses }]) =>
        Object.keys(responses).map((status) => `${method} ${path} ${status}`),
      ),
    );
    expect(described.filter((answer) => !seen.has(answer))).toEqual([]);
  });
});
