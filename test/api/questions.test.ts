// Questions over HTTP: listed, answered once, and what was allowed for a chat taken back.
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AgentRun } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { type ApiFixture, asksFor, createApiFixture, says } from './fixture.ts';

let fixture: ApiFixture;
let runs: AgentRun[];
beforeEach(() => {
  fixture = createApiFixture();
  runs = [];
});
afterEach(() => fixture.close());

interface Question {
  readonly id: string;
  readonly answer: { readonly decision: string } | null;
}
interface Found {
  readonly questions: readonly Question[];
  readonly permissions: readonly { readonly id: string }[];
  readonly reply: {
    readonly text: string;
    readonly code?: string;
    readonly asked?: readonly Question[];
    readonly answered?: readonly Question[];
  };
}

const get = async (path: string) => (await (await fixture.call('GET', path)).json()) as unknown as Found;
const post = async (path: string, body: object, headers = {}) =>
  (await (await fixture.call('POST', path, body, headers)).json()) as unknown as Found;

async function ask(...commands: readonly string[]) {
  fixture.agent = asksFor(...commands);
  const { reply } = await post('/v1/chats/c/messages', { text: 'Go.' });
  fixture.agent = async (run) => {
    runs.push(run);
    return says(`heard ${run.request.text}`);
  };
  return reply;
}

test(`${promise('ASK')} a question is in the reply, in the list and in the events, and waits`, async () => {
  const reply = await ask('npm publish');
  expect(reply.text).toContain('```sh\nnpm publish\n```');
  const open = await get('/v1/chats/c/questions');
  expect(open).toMatchObject({
    turn_id: expect.stringMatching(/^turn_/),
    questions: reply.asked,
  });
  expect(open.questions).toMatchObject([
    { kind: 'approval', title: 'Bash: npm publish', detail: 'npm publish', covers: 'call', answer: null },
  ]);
  const { turns } = (await get('/v1/chats/c')) as unknown as { turns: readonly { turn_id: string }[] };
  const events = await fixture.call('GET', `/v1/turns/${turns[0]?.turn_id}/events`);
  expect(await events.text()).toMatch(/event: asked\ndata: \{"questions":\[.*event: final/s);
});

test('all get their answer, then the agent goes on; another answer changes nothing', async () => {
  await ask('one', 'two');
  const [one, two] = (await get('/v1/chats/c/questions')).questions;
  const noted = await post(`/v1/chats/c/questions/${two?.id}`, { decision: 'deny', text: 'Not two.' });
  expect(noted.reply).toMatchObject({ text: 'Noted. One more question waits.' });
  expect((await get('/v1/chats/c/questions')).questions.map(({ answer }) => answer?.decision)).toEqual([
    undefined,
    'deny',
  ]);
  const key = { 'idempotency-key': 'my-press' };
  const done = await post(`/v1/chats/c/questions/${one?.id}`, { decision: 'once' }, key);
  expect(done.reply).toMatchObject({
    text: 'heard Allow once',
    answered: [{ answer: { decision: 'once' } }, { answer: { decision: 'deny', text: 'Not two.' } }],
  });
  expect(await post(`/v1/chats/c/questions/${one?.id}`, { decision: 'once' }, key)).toEqual(done);
  expect(await post(`/v1/chats/c/questions/${one?.id}`, { decision: 'once' })).toMatchObject({
    reply: { code: 'already-answered' },
  });
  expect(runs.map(({ decided }) => decided?.calls?.map(({ verdict }) => verdict))).toEqual([
    ['allow', 'deny'],
  ]);
  expect((await get('/v1/chats/c/questions')).questions).toEqual([]);
});

test('what was allowed for the chat is listed, and taken back', async () => {
  const { asked } = await ask('npm publish');
  await post(`/v1/chats/c/questions/${asked?.[0]?.id}`, { decision: 'chat' });
  const { permissions } = await get('/v1/chats/c/permissions');
  expect(permissions).toMatchObject([{ tool: 'Bash', title: 'Bash: npm publish', covers: 'call' }]);
  const response = await fixture.call('DELETE', `/v1/chats/c/permissions/${permissions[0]?.id}`);
  expect((await response.json()).reply.text).toBe('From now on I ask again: Bash: npm publish');
  expect((await get('/v1/chats/c/permissions')).permissions).toEqual([]);
});
