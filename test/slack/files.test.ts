// What people send on Slack besides text, over the real core: what the agent is given, and what is said where a file cannot be had.
import { describe, expect, test } from 'vitest';
import { createSlackChannel } from '../../src/channels/slack/channel.ts';
import { parseEvent } from '../../src/channels/slack/parse-event.ts';
import { systemClock } from '../../src/core/clock.ts';
import { promise } from '../../src/core/promises.ts';
import { createMemoryObjectStore } from '../../src/stores/memory/object-store.ts';
import { png } from '../../testing/pictures.ts';
import { createFixture } from '../core/fixture.ts';
import { ALLOW_ANNA, APP, DM, startFixture } from './fixture.ts';

const MB = 1024 * 1024;

async function ready() {
  const { app, api, slack } = await startFixture();
  const fixture = createFixture();
  const objects = createMemoryObjectStore();
  const channel = createSlackChannel({ api, clock: systemClock });
  /** Anna sends files; the turn as the inlet would queue it. */
  const send = async (files: readonly unknown[], text = '') => {
    const said = app.say(DM, text, { event: { subtype: 'file_share', files } });
    const parsed = parseEvent(said.events.at(-1), APP, ALLOW_ANNA, fixture.clock.now());
    if (parsed.kind !== 'turn') throw new Error(`Expected a turn, got ${JSON.stringify(parsed)}`);
    await fixture.deps.store.accept(parsed.request, fixture.deps.retentionSec);
    await fixture.deps.queue.send(parsed.request);
    return parsed.request;
  };
  const step = () => fixture.step({ channels: new Map([['slack', channel]]), objects });
  const given = async () => {
    const run = fixture.runs.at(-1);
    const files = await Promise.all(
      (run?.files ?? []).map(async ({ name, mediaType, read }) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of read()) pieces.push(piece);
        return { name, mediaType, text: Buffer.concat(pieces).toString('utf8') };
      }),
    );
    return { text: run?.request.text, files, lost: run?.request.context?.lost };
  };
  const answer = () => app.channel(DM).botTexts.at(-1) ?? '';
  return { app, api, slack, fixture, send, step, given, answer };
}

describe('files reach the agent', () => {
  test('a picture and a document, with what was written beside them', async () => {
    const { app, send, step, given } = await ready();
    const image = png(3, 2);
    await send(
      [
        app.files.keep('a.png', 'image/png', image),
        app.files.keep('Bericht/2026: "x".pdf', 'application/pdf', Buffer.from('pdf')),
      ],
      'what is this?',
    );
    expect(await step()).toBe('done');
    expect(await given()).toEqual({
      text: 'what is this?',
      files: [
        { name: 'a.png', mediaType: 'image/png', text: image.toString('utf8') },
        { name: 'Bericht_2026_ _x_.pdf', mediaType: 'application/pdf', text: 'pdf' },
      ],
      lost: undefined,
    });
  });

  test('what was spoken into Slack is to be heard as a message', async () => {
    const { app, send } = await ready();
    const { attachments } = await send([
      app.files.keep('audio_message.m4a', 'audio/mp4', Buffer.from('x'), { subtype: 'slack_audio' }),
    ]);
    expect(attachments).toMatchObject([{ mediaType: 'audio/mp4', voice: true }]);
  });

  test('in a channel of several companies Slack is asked what the file is', async () => {
    const { app, send, step, given } = await ready();
    const { id } = app.files.keep('plan.png', 'image/png', Buffer.from('plan'));
    await send([{ id, mode: 'file_access', file_access: 'check_file_info', created: 0, user: '' }], 'look');
    expect(await step()).toBe('done');
    expect((await given()).files).toEqual([{ name: 'plan.png', mediaType: 'image/png', text: 'plan' }]);
  });

  test(`${promise('HEARD')} while Slack does not give it out the message waits, and then it is there`, async () => {
    const { app, fixture, send, step, given } = await ready();
    await send([app.files.keep('a.txt', 'text/plain', Buffer.from('x'))], 'read it');
    app.faults.add({ kind: 'error', status: 503, method: 'download' });
    expect(await step()).toBe('retry');
    expect(fixture.runs).toEqual([]);
    await fixture.clock.advance(60_000);
    expect(await step()).toBe('done');
    expect((await given()).files).toMatchObject([{ name: 'a.txt', text: 'x' }]);
  });

  test('a file that ends in the middle is not taken for whole', async () => {
    const { app, fixture, send, step, given } = await ready();
    await send([app.files.keep('a.txt', 'text/plain', Buffer.from('whole'))], 'read it');
    app.faults.add({ kind: 'cut-after', method: 'download' });
    expect(await step()).toBe('retry');
    await fixture.clock.advance(60_000);
    expect(await step()).toBe('done');
    expect((await given()).files).toMatchObject([{ text: 'whole' }]);
  });
});

describe('what cannot be had is named, with the reason, and the rest is answered', () => {
  const kept = (over: object) => (app: Awaited<ReturnType<typeof ready>>['app']) =>
    app.files.keep('a.bin', 'application/octet-stream', Buffer.from('x'), over);
  test.each([
    ['too large', kept({ size: 60 * MB }), /files up to 50 MB/],
    ['deleted', kept({ mode: 'tombstone' }), /was deleted/],
    ['of a workspace that is full', kept({ mode: 'hidden_by_limit' }), /Slack hides it/],
    ['of another service', kept({ is_external: true, mode: 'external' }), /link to another service/],
    ['not for the app', kept({ file_access: 'access_denied' }), /does not let me see it/],
    ['nothing that is known', () => ({ id: '../../etc', name: 'x' }), /does not say what this file is/],
    ['no object', () => 7, /does not say what this file is/],
  ])('a file that is %s', async (_what, file, reason) => {
    const { app, send, step, given, answer } = await ready();
    await send([file(app), app.files.keep('b.txt', 'text/plain', Buffer.from('b'))], 'both');
    expect(await step()).toBe('done');
    const { files, lost } = await given();
    expect(files.map(({ name }) => name)).toEqual(['b.txt']);
    expect(lost).toMatchObject([{ reason: expect.stringMatching(reason) }]);
    await expect.poll(answer).toMatch(reason);
  });

  test('a file that was deleted since, and one that the app may not read', async () => {
    const { app, send, step, answer } = await ready();
    const file = app.files.keep('a.txt', 'text/plain', Buffer.from('x'));
    await send([file]);
    app.files.forget(String(file.id));
    expect(await step()).toBe('done');
    await expect.poll(answer).toMatch(/does not have this file any more/);
    await send([app.files.keep('b.txt', 'text/plain', Buffer.from('x'))]);
    app.scopes.delete('files:read');
    expect(await step()).toBe('done');
    await expect.poll(answer).toMatch(/the scope files:read/);
  });
});

test.each([
  'https://files.slack.com.evil.test/x',
  'https://evil.test/files.slack.com',
  'http://files.slack.com/x',
  'https://files.slack.com:8443/x',
  'https://slack.com@evil.test/x',
  'file:///etc/passwd',
  'nonsense',
])('the token is never sent to %s', async (url) => {
  const { api } = await ready();
  await expect(api.files.download(url)).rejects.toMatchObject({ code: 'foreign-address' });
});
