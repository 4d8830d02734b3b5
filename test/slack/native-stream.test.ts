// What a person sees in a thread while a turn runs: a status, then a message that grows; rotation before Slack ends it, edits
// where Slack refuses, and in the end one answer.
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSlackApi } from '../../src/channels/slack/api.ts';
import { createSlackChannel } from '../../src/channels/slack/channel.ts';
import type { TurnRequest } from '../../src/core/messages.ts';
import type { ProgressSink, TurnEvent } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { createManualClock, settle } from '../../testing/clock.ts';
import { deliverAsCore, ledgerOf } from '../../testing/contracts/channel-ledger.ts';
import { startFakeSlack } from '../../testing/slack/fake-slack.ts';
import { CHANNEL, DM, TOKEN, webhookOf } from './fixture.ts';

const THREAD = '1700000000.000100';

async function watch(options: { channelId?: string; generation?: number } = {}) {
  const { channelId = DM, generation = 1 } = options;
  const clock = createManualClock();
  const slack = await startFakeSlack();
  onTestFinished(() => slack.close());
  const app = slack.addApp({ token: TOKEN, now: () => clock.now() });
  const api = createSlackApi({ token: TOKEN, apiUrl: slack.apiUrl, clock });
  const channel = createSlackChannel({ api, clock });
  const turns: TurnRequest[] = [];
  const said = app.say(channelId, `<@${app.botUserId}> What is the plan for Monday?`, { thread: THREAD });
  const body = JSON.stringify(said.events[0]);
  const handler = webhookOf(app, async (request) => void turns.push(request));
  await handler(
    new Request('http://ingress.test/slack', { method: 'POST', body, headers: app.signed(body) }),
  );
  const request = turns[0]!;
  const line = ledgerOf(request);
  const place = app.channel(channelId);
  const open = () => {
    const context = Object.assign(line.attempt(), { generation });
    const sink = channel.open(context);
    onTestFinished(() => sink.close());
    return sink;
  };
  const own = () => place.messages.filter(({ user }) => user === app.botUserId);
  /** Time passes for the channel until that is so. */
  const until = (check: () => boolean, stepMs = 1_500) =>
    expect
      .poll(async () => {
        if (!check()) {
          await clock.advance(stepMs);
          await settle();
        }
        return check();
      })
      .toBe(true);
  const called = (method: string) => app.calls.filter((call) => call.method === method);
  const deliver = (text: string) =>
    deliverAsCore({ channel, advance: (ms: number) => clock.advance(ms) } as never, line, {
      outcome: 'ok',
      text,
    });
  return {
    app,
    api,
    clock,
    line,
    place,
    open,
    own,
    until,
    called,
    deliver,
    status: () => place.statusOf(THREAD),
  };
}

const push = (sink: ProgressSink, ...events: readonly TurnEvent[]) => {
  for (const event of events) sink.push(event);
};
const text = (words: string): TurnEvent => ({ type: 'text', text: words });
const tool = (state: 'started' | 'done'): TurnEvent => ({
  ...{ type: 'tool', id: 't', name: 'Bash', summary: 'ls -la', state },
});

describe('in a thread', () => {
  test.each([DM, CHANNEL])(
    '%s: a status, then a message that grows, then the answer in its place',
    async (channelId) => {
      const { place, open, own, until, deliver, status, line, called } = await watch({ channelId });
      const sink = open();
      await until(() => status() === 'is thinking…');
      expect(own()).toEqual([]);
      push(sink, tool('started'));
      await until(() => status() === 'is using ls -la');
      push(sink, tool('done'), text('One '));
      await until(() => own()[0]?.text === 'One ');
      expect(own()[0]).toMatchObject({ streams: true, threadTs: THREAD });
      expect(line.anchor).toMatchObject({ parts: [own()[0]?.ts] });
      push(sink, text('two <!chan'), text('nel> three'));
      await until(() => own()[0]?.text.endsWith('three') === true);
      expect(own()[0]?.text).toMatch(/^One two <.!channel> three$/);
      await sink.close();
      expect(own()[0]?.streams).toBe(false);
      expect(status()).toBe('');
      const { length } = called('chat.appendStream');
      await deliver('The answer.');
      expect(own().map((message) => message.text)).toEqual(['The answer.']);
      expect(place.allMessages.filter(({ user }) => user === 'U0BOT')).toHaveLength(1);
      expect(called('chat.appendStream')).toHaveLength(length);
    },
  );

  test('a thousand pieces are few calls', async () => {
    const { open, own, until, called } = await watch();
    const sink = open();
    for (let i = 0; i < 1_000; i++) push(sink, text('x'));
    await until(() => own()[0]?.text.length === 1_000);
    expect(called('chat.appendStream').length).toBeLessThan(4);
  });

  test('a new thread of a person gets a name, and a later message none', async () => {
    const first = await watch({ generation: 0 });
    first.open();
    await first.until(() => first.app.titles.size === 1);
    expect([...first.app.titles.values()]).toEqual(['What is the plan for Monday?']);
    const later = await watch({ generation: 3 });
    later.open();
    await later.until(() => later.status() !== '');
    expect(later.called('assistant.threads.setTitle')).toEqual([]);
  });

  test('without the right to name it all goes on', async () => {
    const { app, open, own, until } = await watch({ generation: 0 });
    app.scopes.delete('assistant:write');
    push(open(), text('hello'));
    await until(() => own()[0]?.text === 'hello');
  });
});

describe('a long turn', () => {
  test(`${promise('ONCE-OUT')} goes on in new messages before Slack ends one, and the answer stands once`, async () => {
    const { place, open, own, until, deliver, called } = await watch();
    const sink = open();
    push(sink, text('first '));
    await until(() => own()[0]?.text === 'first ');
    // Nothing is said for longer than Slack keeps a stream.
    await until(() => own()[0]?.streams === false, 60_000);
    push(sink, text('second '));
    await until(() => own()[1]?.text === 'second ');
    await until(() => own()[1]?.streams === false, 60_000);
    push(sink, text('third'));
    await until(() => own()[2]?.text === 'third');
    expect(called('chat.appendStream').map(({ outcome }) => outcome)).toEqual(['ok', 'ok', 'ok']);
    await sink.close();
    await deliver('All of it.');
    expect(own().map((message) => message.text)).toEqual(['All of it.']);
    expect(place.statusOf(THREAD)).toBe('');
  });

  test('one that Slack ended all the same goes on, and nothing is lost', async () => {
    const { open, own, until, app } = await watch();
    const sink = open();
    push(sink, text('first '));
    await until(() => own()[0]?.text === 'first ');
    const refusal = { kind: 'error', status: 200, description: 'message_not_in_streaming_state' } as const;
    app.faults.add({ ...refusal, method: 'chat.appendStream' });
    push(sink, text('second'));
    await until(() => own()[1]?.text === 'second');
  });

  test('more text than one message holds', async () => {
    const { open, own, until } = await watch();
    const sink = open();
    const words = 'word '.repeat(5_000);
    push(sink, text(words));
    await until(
      () =>
        own()
          .map((message) => message.text)
          .join('') === words,
    );
    expect(own().length).toBeGreaterThan(2);
  });
});

describe('what Slack refuses to stream is shown by edits', () => {
  test.each([
    ['assistant.threads.setStatus', 'missing_scope'],
    ['assistant.threads.setStatus', 'ratelimited'],
    ['chat.startStream', 'channel_type_not_supported'],
    ['chat.startStream', 'ratelimited'],
    ['chat.appendStream', 'invalid_chunks'],
    ['chat.appendStream', 'internal_error'],
  ])('%s: %s', async (method, description) => {
    const { app, open, own, until, deliver } = await watch();
    app.faults.add({ kind: 'error', status: 200, description, method });
    const sink = open();
    push(sink, text('hello'));
    await until(() => own()[0]?.text === 'hello');
    push(sink, text(' there'), tool('started'));
    await until(() => own()[0]?.text.includes('hello there\n\n⚙ `ls -la`') === true);
    await sink.close();
    await deliver('Done.');
    expect(own().map((message) => message.text)).toEqual(['Done.']);
  });

  test('a turn that begins anew takes back what was said', async () => {
    const { open, own, until } = await watch();
    const sink = open();
    push(sink, text('wrong'));
    await until(() => own()[0]?.text === 'wrong');
    push(sink, { type: 'status', status: 'retrying' }, text('right'));
    await until(() => own()[0]?.text === 'right');
    expect(own()).toHaveLength(1);
  });

  test(`${promise('HEARD')} what is waited for is read whole, and the next attempt goes on in that message`, async () => {
    const { open, own, until } = await watch();
    const sink = open();
    push(sink, text('half'));
    await until(() => own()[0]?.text === 'half');
    push(sink, { type: 'status', status: 'waiting', waitingFor: 'model', nextTryAtMs: null });
    await until(() => own()[0]?.text.startsWith('half\n\n') === true);
    await sink.close();
    const [waiting] = own();
    const again = open();
    push(again, text('whole'));
    await until(() => own()[0]?.text === 'whole');
    expect(own().map(({ ts }) => ts)).toEqual([waiting?.ts]);
  });
});

describe('in trouble', () => {
  test('a person stops the stream: nothing more is shown, and the answer comes', async () => {
    const { place, open, own, until, called, deliver } = await watch();
    const sink = open();
    push(sink, text('one'));
    await until(() => own()[0]?.text === 'one');
    place.stopStream(own()[0]?.ts ?? '');
    push(sink, text(' two'));
    await until(() => called('chat.appendStream').at(-1)?.outcome === 'stopped_by_user');
    push(sink, text(' three'));
    await sink.close();
    expect(own()[0]?.text).toBe('one');
    await deliver('Done.');
    expect(own().map((message) => message.text)).toEqual(['Done.']);
  });

  test(`${promise('ONCE-OUT')} a worker that dies in the middle leaves a stream: the answer, or the next worker, takes its place`, async () => {
    const died = await watch();
    push(died.open(), text('half'));
    await died.until(() => died.own()[0]?.text === 'half');
    // It still streams when another worker delivers.
    await died.deliver('Done.');
    expect(died.own().map((message) => message.text)).toEqual(['Done.']);

    const next = await watch();
    push(next.open(), text('half'));
    await next.until(() => next.own()[0]?.text === 'half');
    push(next.open(), text('whole'));
    await next.until(
      () =>
        next
          .own()
          .map((message) => message.text)
          .join() === 'whole',
    );
    await next.deliver('Done.');
    expect(next.own().map((message) => message.text)).toEqual(['Done.']);
  });

  test('a worker that lost the session writes into nothing', async () => {
    const { line, own, until, api, app, clock } = await watch();
    const channel = createSlackChannel({ api, clock });
    const context = line.attempt();
    const sink = channel.open(context);
    onTestFinished(() => sink.close());
    await until(() => app.calls.length > 0);
    context.lose();
    push(sink, text('mine'));
    await until(() => app.calls.some(({ method }) => method === 'chat.startStream'));
    await sink.close();
    expect(own()).toEqual([]);
  });
});
