// A channel of one's own is a folder and a place in a list: the made-up pager answers in a local system, has its
// settings there and in a CDK stack, and no line of this package knows it. On Lambda: test/lambda/own-channel.test.ts.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settingsSchema } from '../../src/cdk/settings.ts';
import { createStack } from '../../src/cdk/stack.ts';
import { readConfiguration } from '../../src/local/configuration.ts';
import { startLocalSystem, type TestSystem } from '../../testing/local-system.ts';
import { ofType, synthesize } from '../cdk/synthesize.ts';
import { pager, WITH_PAGER } from './pager/descriptor.ts';
import { type FakeService, startFakeService, TOKEN } from './pager/fake-service.ts';

const ANN = 'ann-1';

let service: FakeService;
let folder: string;

beforeAll(async () => {
  service = await startFakeService();
  folder = await mkdtemp(join(tmpdir(), 'hybrid-own-channel-'));
});
afterAll(async () => {
  await service.close();
  await rm(folder, { recursive: true, force: true });
});

describe('in a local system', () => {
  const secret = 'known-to-both';
  let system: TestSystem;
  const post = (path: string, init: RequestInit = {}, shown = secret) =>
    fetch(`${system.url}${path}`, { ...init, headers: { 'x-pager': shown } });
  const call = (message: object, shown = secret) =>
    post('/pager/calls', { method: 'POST', body: JSON.stringify(message) }, shown);

  beforeAll(async () => {
    const settings = { pager: { signature: ' -- paged', pagers: [ANN] } };
    await writeFile(join(folder, 'hybrid-sessions.config.json'), JSON.stringify(settings));
    system = await startLocalSystem({
      cwd: folder,
      env: { PAGER_TOKEN: TOKEN, PAGER_CALL_SECRET: secret, PAGER_API_ROOT: service.apiRoot },
      channels: WITH_PAGER,
      workerProgram: new URL('./pager/worker-program.ts', import.meta.url),
    });
  });
  afterAll(() => system?.close());

  test('it answers, once, also when it is called twice', async () => {
    expect(system.lines).toContainEqual(['pager', '1 pager; webhooks below /pager']);
    const message = { id: 'm1', from: ANN, text: 'run: echo local-$((40 + 2))' };
    expect((await call(message)).status).toBe(202);
    expect((await call(message)).status).toBe(202);
    await expect.poll(() => service.pagesTo(ANN).at(-1)).toMatch(/local-42[\s\S]* -- paged$/);
    await call({ id: 'm2', from: ANN, text: 'what did I say?' });
    await expect.poll(() => service.pagesTo(ANN).length).toBe(2);
    expect(service.pagesTo(ANN)[1]).toContain('local-');
  });

  test('only its routes are its own, and it checks who calls', async () => {
    expect((await call({ id: 'm3', from: ANN, text: 'x' }, 'guessed')).status).toBe(401);
    expect(await (await post('/pager/check/hello')).text()).toBe('hello');
    expect((await post('/pager/check/hello', { method: 'POST' })).status).toBe(405);
    expect((await post('/pager')).status).toBe(404);
    expect((await post('/pagers/calls')).status).toBe(404);
    expect((await system.say('beside', 'hello')).reply.outcome).toBe('ok');
  });

  test('a platform that cannot be asked who we are keeps the message: 503, and the next time it is taken', async () => {
    const other = await startLocalSystem({
      cwd: folder,
      env: { PAGER_TOKEN: 'pt-wrong', PAGER_CALL_SECRET: secret, PAGER_API_ROOT: service.apiRoot },
      channels: WITH_PAGER,
      workerProgram: new URL('./pager/worker-program.ts', import.meta.url),
    });
    try {
      const response = await fetch(`${other.url}/pager/check/x`, { headers: { 'x-pager': secret } });
      expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    } finally {
      await other.close();
    }
  });
});

describe('its settings', () => {
  const read = (env: Record<string, string>) =>
    readConfiguration({ env, cwd: '/nowhere', channels: WITH_PAGER }).channels;

  test('none: it is off; all: it is on, with what was left out by default', () => {
    expect(read({})).toEqual({ http: {} });
    const env = { PAGER_TOKEN: 'pt-1', PAGER_CALL_SECRET: 'known-to-both', PAGER_API_ROOT: 'http://x' };
    expect(read(env).pager).toEqual({
      token: 'pt-1',
      callSecret: 'known-to-both',
      apiRoot: 'http://x',
      signature: '',
      pagers: [],
    });
  });

  test.each([
    [{ PAGER_TOKEN: 'x' }, /^PAGER_TOKEN /],
    [{ PAGER_TOKEN: 'pt-1' }, /^PAGER_CALL_SECRET is missing \(what the service shows/],
    [{ PAGER_TOKEN: 'pt-1', PAGER_CALL_SECRET: 'known-to-both' }, /^PAGER_API_ROOT is missing/],
    [
      { PAGER_TOKEN: 'pt-1', PAGER_CALL_SECRET: 'known-to-both', PAGER_API_ROOT: 'here' },
      /^PAGER_API_ROOT Invalid URL/,
    ],
  ])('%o is refused by name', (env, message) => {
    expect(() => read(env)).toThrow(message);
  });
});

test('in a CDK stack it has its place: each function is given what its part may know', () => {
  const section = { tokenParameter: '/own/pager', pagers: [ANN], apiRoot: 'https://pages.example' };
  const stack = synthesize({}, (app, assets) =>
    createStack(
      app,
      settingsSchema(WITH_PAGER).parse({ pager: section, agents: 'shared' }),
      assets,
      WITH_PAGER,
    ),
  );
  const variables = (handler: string | undefined) => {
    const found = ofType(stack, 'AWS::Lambda::Function').filter(
      ([, { Properties }]) => Properties.Handler === handler,
    );
    const all = found.flatMap(([, { Properties }]) =>
      Object.entries((Properties.Environment as { Variables: object }).Variables),
    );
    return Object.fromEntries(all.filter(([name]) => /PAGER|CHANNELS/.test(name)));
  };
  expect(variables('ingress.handler')).toEqual({
    HYBRID_SESSIONS_CHANNELS: 'pager',
    HYBRID_SESSIONS_PAGER_CALL_SECRET_PARAMETER: expect.stringMatching(/\/pager-call-secret$/),
    HYBRID_SESSIONS_PAGER_PAGERS: '["ann-1"]',
    HYBRID_SESSIONS_PAGER_STATION: { 'Fn::GetAtt': [expect.any(String), 'pager.station'] },
  });
  const outgoing = {
    HYBRID_SESSIONS_CHANNELS: 'pager',
    HYBRID_SESSIONS_PAGER_TOKEN_PARAMETER: '/own/pager',
    HYBRID_SESSIONS_PAGER_API_ROOT: '"https://pages.example"',
    HYBRID_SESSIONS_PAGER_SIGNATURE: '""',
  };
  expect(variables('stranded.handler')).toEqual(outgoing);
  expect(variables(undefined)).toEqual(outgoing);
  const readers = ofType(stack, 'AWS::IAM::Policy')
    .filter(([, policy]) => JSON.stringify(policy).includes('parameter/own/pager'))
    .map(([id]) => id.replace(/Role.*/, ''));
  expect(readers.map((id) => /Worker|Stranded|Setup/.exec(id)?.[0]).sort()).toEqual([
    'Setup',
    'Stranded',
    'Worker',
  ]);
  stack.template.hasResourceProperties('Custom::HybridSessionsSetup', {
    step: 'register',
    channel: 'pager',
    settings: { token: '/own/pager', apiRoot: '"https://pages.example"' },
  });
  expect(stack.findings).toEqual([]);
});

test.each([
  [{ tokenParameter: 'pt-42-secret', pagers: [ANN] }, /never a secret itself/],
  [{ tokenParameter: '/own/pager', pagers: [] }, /pagers/],
  [{ tokenParameter: '/own/pager', pagers: [ANN], apiRoot: 'https://x', token: 'pt-1' }, /token/],
])('a deployment refuses %o', (section, message) => {
  const parsed = settingsSchema(WITH_PAGER).safeParse({ pager: section });
  expect(parsed.success ? 'taken' : parsed.error.message).toMatch(message);
});

test('a channel cannot take the name of a setting', () => {
  const wrong = { ...pager, name: 'worker' };
  expect(() => settingsSchema([wrong])).toThrow(/worker/);
  const alsoWrong = { ...pager, name: 'limits' };
  expect(() => readConfiguration({ env: {}, cwd: '/nowhere', channels: [alsoWrong] })).toThrow(/limits/);
});
