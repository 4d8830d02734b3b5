// What Slack alone does with a reply: refused markup, messages that vanish, limits, tokens that are no good any more.
import { describe, expect, test } from 'vitest';
import { createSlackApi } from '../../src/channels/slack/api.ts';
import { createSlackChannel } from '../../src/channels/slack/channel.ts';
import { checkSlack } from '../../src/channels/slack/doctor.ts';
import { Ambiguous, Gone, Invalid, Refused } from '../../src/core/errors.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import { createManualClock } from '../../testing/clock.ts';
import { deliverReplies } from './deliver-replies.ts';
import { CHANNEL, DM, startFixture, TOKEN } from './fixture.ts';

test('Markdown that Slack refuses is shown letter by letter, and nothing of it is lost', async () => {
  const { app, deliver } = await deliverReplies(DM);
  const text = `UNPARSABLE ${'**word** '.repeat(900)}end`;
  await deliver(text);
  const [message] = app.channel(DM).messages.filter(({ user }) => user === app.botUserId);
  expect(message?.text).toBe(text);
  expect(message?.blocks.every(({ type }) => type === 'section')).toBe(true);
});

test('a text that Slack refuses in every form gives way to a line with a support id', async () => {
  const { app, deliver } = await deliverReplies(DM);
  const refusal = {
    kind: 'error',
    status: 200,
    description: 'invalid_blocks',
    method: 'chat.update',
  } as const;
  app.faults.add({ ...refusal, times: 2 });
  await expect(deliver('hello')).rejects.toThrow(Invalid);
  expect(app.channel(DM).botTexts).toEqual([expect.stringMatching(/Support id: [0-9a-f]{8}/)]);
});

test('a reply calls nobody, and no notification of it can be taken for a mention or a link', async () => {
  const { app, deliver } = await deliverReplies(DM);
  await deliver('Hey <!channel> <!here|here> `<!everyone>` <!subteam^S1> <@U0BOB> & <https://x.test|click>');
  const [message] = app.channel(DM).messages.filter(({ user }) => user === app.botUserId);
  expect(message?.text).not.toMatch(/<!(channel|here|everyone|subteam)/);
  expect(message?.fallback).not.toMatch(/[<>]/);
});

test('in a channel every part stands in the thread of the message', async () => {
  const { app, deliver, ts } = await deliverReplies(CHANNEL);
  await deliver('word '.repeat(5_000));
  const own = app.channel(CHANNEL).messages.filter(({ user }) => user === app.botUserId);
  expect(own.length).toBeGreaterThan(2);
  expect(new Set(own.map(({ threadTs }) => threadTs))).toEqual(new Set([ts]));
});

test('a message that somebody deleted meanwhile is sent anew, in its place', async () => {
  const { app, deliver, open } = await deliverReplies(DM);
  const sink = open();
  await expect.poll(() => app.channel(DM).botTexts).toEqual(['Thinking…']);
  const [message] = app.channel(DM).messages.filter(({ user }) => user === app.botUserId);
  await sink.close();
  app.channel(DM).delete(message?.ts ?? '');
  await deliver('here it is');
  expect(app.channel(DM).botTexts).toEqual(['here it is']);
});

describe('what a failure means', () => {
  const codes: readonly [string, new (...args: never[]) => Error, string][] = [
    ['token_expired', Invalid, 'bad-token'],
    ['token_revoked', Invalid, 'bad-token'],
    ['account_inactive', Invalid, 'bad-token'],
    ['missing_scope', Invalid, 'not-permitted'],
    ['is_archived', Gone, 'chat-gone'],
    ['not_in_channel', Gone, 'chat-gone'],
    ['ratelimited', Refused, 'rate-limited'],
    ['internal_error', Ambiguous, 'server-error'],
    ['fatal_error', Ambiguous, 'server-error'],
    ['no_text', Invalid, 'refused-content'],
  ];
  test.each(codes)('a send that ends with %s', async (description, family, code) => {
    const { app, api } = await startFixture();
    app.channel(DM);
    app.faults.add({ kind: 'error', status: 200, description });
    const error = await api.send({ channel: DM, threadTs: null }, { text: 'x', blocks: [] }).catch((e) => e);
    expect(error).toBeInstanceOf(family);
    expect(error.code).toBe(code);
  });

  test('a limited method is left alone until its time is over, and others go on', async () => {
    const clock = createManualClock();
    const { app, api } = await startFixture({ clock });
    app.channel(DM);
    const to = { channel: DM, threadTs: null };
    const ts = await api.send(to, { text: 'x', blocks: [] });
    app.faults.add({ kind: 'rate-limit', retryAfterSec: 30, method: 'chat.update' });
    const edit = () => api.edit(DM, ts, { text: 'y', blocks: [] });
    await expect(edit()).rejects.toMatchObject({ retryAfterMs: 30_000 });
    const { length } = app.calls;
    await expect(edit()).rejects.toBeInstanceOf(Refused);
    expect(app.calls).toHaveLength(length);
    await api.send(to, { text: 'z', blocks: [] });
    await clock.advance(30_000);
    await edit();
    expect(app.channel(DM).botTexts).toEqual(['y', 'z']);
  });

  test('more edits within a minute than Slack takes are refused by it, with a time', async () => {
    const { app, api } = await startFixture();
    app.channel(DM);
    const ts = await api.send({ channel: DM, threadTs: null }, { text: 'x', blocks: [] });
    const edits = Array.from({ length: 60 }, (_, n) => api.edit(DM, ts, { text: `${n}`, blocks: [] }));
    const results = await Promise.allSettled(edits);
    const refused = results.filter(({ status }) => status === 'rejected');
    expect(refused).toHaveLength(10);
    for (const one of refused) expect((one as PromiseRejectedResult).reason).toBeInstanceOf(Refused);
  });
});

test('doctor tells whose token it is, that it is no good, and that nobody answers', async () => {
  const { app, slack } = await startFixture();
  const settings = { token: TOKEN, apiUrl: slack.apiUrl };
  expect(await checkSlack(settings)).toMatchObject({
    status: 'ok',
    found: expect.stringContaining('T0HOME'),
  });
  app.revokeToken();
  expect(await checkSlack(settings)).toMatchObject({
    status: 'fail',
    mend: expect.stringContaining('Install'),
  });
  await slack.close();
  expect(await checkSlack(settings)).toMatchObject({
    status: 'fail',
    mend: expect.stringContaining('SLACK_API_URL'),
  });
  expect(await checkSlack({ ...settings, token: undefined })).toMatchObject({ status: 'fail' });
});

test.each(['ftp://x', 'nonsense', 'https://x/?a=1'])('%s is no address of the Web API', (apiUrl) => {
  expect(() => createSlackApi({ token: TOKEN, apiUrl })).toThrow(/not an http/);
});

test('a target of another channel is refused', async () => {
  const { api } = await startFixture();
  const request = { replyTarget: { chatId: 1 } } as unknown as TurnRequest;
  const context = { request, anchor: null } as never;
  await expect(createSlackChannel({ api }).deliver(context, { outcome: 'ok', text: 'x' })).rejects.toThrow(
    /Slack/,
  );
});
