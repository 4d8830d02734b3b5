// Questions to people, seen from the turn: they are stored with the reply that asks them, and hold nothing until an answer
// comes; the first answer of somebody who may decide counts.
import { describe, expect, test } from 'vitest';
import type { Asked, AskedCall } from '../../src/core/asked-call.ts';
import { consentOf, waitingQuestions } from '../../src/core/consent.ts';
import { tenantOf } from '../../src/core/ids.ts';
import type { AgentRun } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { TURN_POINTS } from '../../src/core/running-turn.ts';
import { createFixture, type Fixture, frozen } from './fixture.ts';

const publish: AskedCall = {
  ...{ id: 'toolu_1', tool: 'Bash', title: 'Bash: npm publish', detail: 'npm publish' },
  ...{ format: 'command', hash: 'h1', waits: 'held', covers: 'call' },
};
const remove: AskedCall = { ...publish, id: 'toolu_2', title: 'Bash: rm a', hash: 'h2', waits: 'again' };
const color: AskedCall = {
  ...{ ...publish, id: 'toolu_3', tool: 'AskUserQuestion', title: 'Question' },
  choices: [
    {
      question: 'Which color?',
      multiple: false,
      options: [
        { label: 'Red', description: '' },
        { label: 'Blue', description: 'cold' },
      ],
    },
  ],
};

const asking = (calls: readonly AskedCall[], over: Partial<Asked> = {}): Asked => ({
  ...{ calls: [...calls], approvers: null, expiresAfterSec: null },
  ...over,
});

const ANN = { id: '1', name: 'Ann' };
const BOB = { id: '2', name: 'Bob' };

/** "ask" asks; anything else is answered. */
async function asked(asks: Asked, over: { readonly sender?: typeof ANN | null } = {}) {
  const fixture = createFixture();
  fixture.agent = async ({ request }) => ({
    status: 'ok',
    demo: false,
    text: `heard ${request.text}`,
    ...(request.text === 'ask' && { asked: asks }),
  });
  const { sessionKey } = await fixture.say('ask', { sender: over.sender === undefined ? ANN : over.sender });
  await fixture.step();
  const head = async () => {
    const mapping = await fixture.deps.store.getMapping(sessionKey);
    return (await fixture.deps.store.getHead(tenantOf(sessionKey), mapping!.session_id))!;
  };
  const open = async () => waitingQuestions(await head(), fixture.clock.now());
  const questions = (await open())?.questions ?? [];
  const press = async (
    at: number,
    decision: 'once' | 'chat' | 'deny' | 'why' | 'reply',
    { sender = ANN, ...rest }: { sender?: typeof ANN; id?: string; text?: string; option?: number } = {},
  ) => {
    const { id, text, option } = rest;
    const question = questions[at]?.id ?? '';
    await fixture.say(decision, {
      sender,
      ...(id && { id }),
      answer: { question, decision, ...(text && { text }), ...(option !== undefined && { option }) },
    });
    while (await fixture.step());
    return fixture.sent.at(-1)?.reply;
  };
  return { fixture, head, open, press, questions };
}

const decisions = (run: AgentRun | undefined) =>
  run?.decided?.calls?.map(({ id, verdict, reason, answers }) => [id, verdict, reason ?? answers]);

test(`${promise('ASK')} a question is in the reply and in the store, and nothing is held while it waits`, async () => {
  const { fixture, open, questions } = await asked(asking([publish]));
  expect(fixture.sent.at(-1)?.reply).toMatchObject({
    outcome: 'ok',
    asked: questions,
    text: expect.stringMatching(/heard ask.*May I.*npm publish.*1\. Allow once.*4\. Deny and say why/s),
  });
  expect(questions).toMatchObject([{ id: expect.stringMatching(/^q[0-9a-f]{16}$/), answer: null }]);
  expect(fixture.open.size).toBe(0);
  expect(await fixture.deps.queue.depth()).toBe(0);
  expect(await open()).toMatchObject({ speaker: { channel: 'http', id: '1' } });
});

describe('an answer', () => {
  test(`${promise('ASK')} goes on with the call, a month later, and is asked for no more`, async () => {
    const { fixture, open, press } = await asked(asking([publish]));
    // Longer than the fixture keeps sessions would be another test.
    await fixture.clock.advance((fixture.deps.retentionSec - 60) * 1_000);
    const reply = await press(0, 'once');
    expect(decisions(fixture.runs.at(-1))).toEqual([['toolu_1', 'allow', undefined]]);
    expect(reply).toMatchObject({
      text: 'heard once',
      answered: [{ answer: { decision: 'once', name: 'Ann', by: { channel: 'http', id: '1' } } }],
    });
    expect(await open()).toBeNull();
  });

  test(`${promise('ONCE-IN')} of twenty presses at once one runs, and each of the others is told so quietly`, async () => {
    const { fixture, questions } = await asked(asking([publish]));
    const question = questions[0]!.id;
    const presses = Array.from({ length: 20 }, (_, at) => ({
      id: `press-${at % 15}`,
      answer: { question, decision: at % 15 === 0 ? 'once' : 'deny' } as const,
    }));
    for (const { id, answer } of presses) await fixture.say(answer.decision, { id, answer, sender: ANN });
    while (await fixture.step());
    expect(fixture.runs).toHaveLength(2);
    expect(decisions(fixture.runs[1])).toEqual([['toolu_1', 'allow', undefined]]);
    const replies = fixture.sent.slice(2).map(({ reply }) => reply);
    expect(replies).toHaveLength(14);
    for (const reply of replies) {
      expect(reply).toMatchObject({
        ...{ quiet: true, code: 'already-answered', text: expect.stringContaining('Allowed once by Ann') },
        answered: [{ answer: { decision: 'once' } }],
      });
    }
  });

  test('a denial tells the agent, with the reason that came with it', async () => {
    const { fixture, press } = await asked(asking([publish]));
    await press(0, 'why', { text: 'It is Friday.' });
    expect(decisions(fixture.runs.at(-1))).toEqual([
      ['toolu_1', 'deny', 'The person did not allow this, and says why: It is Friday.'],
    ]);
  });

  test('the reason may come as the next message of the one who denied, and of nobody else', async () => {
    const { fixture, press, open } = await asked(asking([publish], { approvers: ['http/*'] }));
    expect(await press(0, 'why')).toMatchObject({ text: expect.stringContaining('next message') });
    expect(fixture.runs).toHaveLength(1);
    await fixture.say('It is Friday.', { sender: ANN });
    while (await fixture.step());
    expect(decisions(fixture.runs.at(-1))).toEqual([
      ['toolu_1', 'deny', expect.stringContaining('It is Friday.')],
    ]);
    expect(await open()).toBeNull();
    const other = await asked(asking([publish], { approvers: ['http/*'] }));
    await other.press(0, 'why');
    await other.fixture.say('What is going on?', { sender: BOB });
    while (await other.fixture.step());
    expect(other.fixture.runs.at(-1)?.decided?.calls).toBeNull();
  });

  test('of several, each is noted, and the last one goes on with all', async () => {
    const { fixture, press } = await asked(asking([publish, remove, color]));
    expect(await press(1, 'deny')).toMatchObject({ quiet: true, text: 'Noted. 2 more questions wait.' });
    expect(await press(1, 'once')).toMatchObject({
      code: 'already-answered',
      text: expect.stringContaining('Denied by Ann'),
    });
    expect(await press(0, 'chat')).toMatchObject({ quiet: true, text: 'Noted. One more question waits.' });
    expect(fixture.runs).toHaveLength(1);
    await press(2, 'reply', { option: 1 });
    expect(decisions(fixture.runs.at(-1))).toEqual([
      ['toolu_1', 'allow', undefined],
      ['toolu_2', 'deny', 'The person did not allow this.'],
      ['toolu_3', 'allow', { 'Which color?': 'Blue' }],
    ]);
  });

  test.each([
    ['a choice for a call', 0, { decision: 'reply', text: 'yes' }],
    ['permission for a question', 1, { decision: 'once' }],
    ['an option that is not there', 1, { decision: 'reply', option: 7 }],
    ['nothing at all', 1, { decision: 'reply', text: ' ' }],
  ] as const)('%s is no answer', async (_, at, { decision, ...rest }) => {
    const { fixture, press, open } = await asked(asking([publish, color]));
    expect(await press(at, decision, rest)).toMatchObject({ code: 'bad-answer', quiet: true });
    expect(fixture.runs).toHaveLength(1);
    expect((await open())?.questions.every(({ answer }) => answer === null)).toBe(true);
  });
});

describe('who may decide', () => {
  test.each([
    ['who asked', null, ANN, true],
    ['somebody else', null, BOB, false],
    ['who is named', ['http/2'], BOB, true],
    ['who asked, but others are named', ['http/2'], ANN, false],
    ['anybody, where nobody is named', [], ANN, false],
    ['the whole channel', ['http/*'], BOB, true],
    ['the same id of another channel', ['telegram/2'], BOB, false],
  ] as const)('%s', async (_, approvers, sender, may) => {
    const { fixture, press, open } = await asked(
      asking([publish], { approvers: approvers && [...approvers] }),
    );
    const reply = await press(0, 'once', { sender });
    expect(fixture.runs).toHaveLength(may ? 2 : 1);
    if (may) return;
    expect(reply).toMatchObject({ code: 'not-permitted' });
    // It still waits for somebody who may.
    expect((await open())?.questions).toMatchObject([{ answer: null }]);
  });

  test('what the agent wants to know the one who asked may tell, whoever else is named', async () => {
    const { fixture, press } = await asked(asking([color], { approvers: ['http/9'] }));
    await press(0, 'reply', { sender: BOB, option: 0 });
    expect(fixture.runs).toHaveLength(1);
    await press(0, 'reply', { option: 0 });
    expect(decisions(fixture.runs.at(-1))).toEqual([['toolu_3', 'allow', { 'Which color?': 'Red' }]]);
  });

  test('a number is no way around it', async () => {
    const { fixture } = await asked(asking([publish]));
    await fixture.say('1', { sender: BOB });
    while (await fixture.step());
    expect(fixture.sent.at(-1)?.reply).toMatchObject({ code: 'not-permitted' });
    expect(fixture.runs).toHaveLength(1);
  });
});

describe('a message instead of an answer', () => {
  test('denies and goes on', async () => {
    const { fixture, press, open } = await asked(asking([publish]));
    await fixture.say('something else', { sender: ANN });
    while (await fixture.step());
    expect(fixture.runs.at(-1)).toMatchObject({
      request: { text: 'something else' },
      decided: { calls: null },
    });
    expect(await open()).toBeNull();
    expect(await press(0, 'once')).toMatchObject({
      code: 'already-answered',
      text: expect.stringContaining('Denied by Ann'),
    });
    expect(fixture.runs).toHaveLength(2);
  });

  test.each([
    ['1', 'allow', undefined],
    [' 2. ', 'allow', undefined],
    ['3', 'deny', 'The person did not allow this.'],
    ['4: not now', 'deny', expect.stringContaining('why: not now')],
    ['3 no', 'deny', expect.stringContaining('why: no')],
  ])('"%s" is an answer where there are no buttons', async (text, verdict, reason) => {
    const { fixture } = await asked(asking([publish]));
    await fixture.say(text, { sender: ANN });
    while (await fixture.step());
    expect(decisions(fixture.runs.at(-1))).toEqual([['toolu_1', verdict, reason]]);
  });

  test.each(['5', '0', '1 please', '1 1', '1,2', '2026', 'one', '1x'])('"%s" is a message', async (text) => {
    const { fixture } = await asked(asking([publish]));
    await fixture.say(text, { sender: ANN });
    while (await fixture.step());
    expect(fixture.runs.at(-1)).toMatchObject({ request: { text }, decided: { calls: null } });
  });

  test('numbers go over all questions, and some may be left for later', async () => {
    const { fixture } = await asked(asking([publish, remove, color]));
    await fixture.say('1, 10', { sender: ANN });
    while (await fixture.step());
    expect(fixture.runs).toHaveLength(1);
    await fixture.say('7', { sender: ANN });
    while (await fixture.step());
    expect(decisions(fixture.runs.at(-1))).toEqual([
      ['toolu_1', 'allow', undefined],
      ['toolu_2', 'deny', 'The person did not allow this.'],
      ['toolu_3', 'allow', { 'Which color?': 'Blue' }],
    ]);
  });

  test('is the answer to a question of the agent', async () => {
    const { fixture } = await asked(asking([color]));
    await fixture.say('A dark green.', { sender: ANN });
    while (await fixture.step());
    expect(decisions(fixture.runs.at(-1))).toEqual([
      ['toolu_3', 'allow', { 'Which color?': 'A dark green.' }],
    ]);
  });
});

describe('time', () => {
  test('an expired question says so, and nothing runs', async () => {
    const { fixture, press, open } = await asked(asking([publish], { expiresAfterSec: 3_600 }));
    await fixture.clock.advance(3_600_000);
    expect(await open()).toBeNull();
    expect(await press(0, 'once')).toMatchObject({
      code: 'expired',
      text: expect.stringContaining('expired'),
    });
    expect(fixture.runs).toHaveLength(1);
    await fixture.say('go on', { sender: ANN });
    while (await fixture.step());
    expect(fixture.runs.at(-1)).toMatchObject({ request: { text: 'go on' } });
  });

  test('a press in a chat that was forgotten begins nothing', async () => {
    const { fixture, press } = await asked(asking([publish]));
    await fixture.clock.advance((fixture.deps.retentionSec + 1) * 1_000);
    expect(await press(0, 'once')).toMatchObject({ code: 'no-longer-open', quiet: true });
    expect(fixture.runs).toHaveLength(1);
  });
});

describe('what was allowed for the chat', () => {
  test('is told to every later run, outlives /new, and can be taken back', async () => {
    const { fixture, head, press } = await asked(asking([publish, { ...remove, covers: 'tool' }]));
    await press(0, 'chat');
    await press(1, 'chat');
    const granted = [
      { tool: 'Bash', hash: 'h1' },
      { tool: 'Bash', hash: null },
    ];
    expect(fixture.runs.at(-1)?.decided?.granted).toEqual(granted);
    await fixture.say('', { kind: 'new' });
    await fixture.say('later', { sender: BOB });
    while (await fixture.step());
    expect(fixture.runs.at(-1)).toMatchObject({ resume: false, decided: { calls: null, granted } });
    const [first] = consentOf(await head()).granted;
    await fixture.say('withdraw', { answer: { withdraw: first!.id } });
    await fixture.say('later still');
    while (await fixture.step());
    expect(fixture.runs.at(-1)?.decided?.granted).toEqual(granted.slice(1));
    expect(fixture.sent.at(-2)?.reply.text).toBe('From now on I ask again: Bash: npm publish');
  });
});

test('a record that cannot be read is never "nothing was asked", but /new gets past it', async () => {
  const { fixture, head } = await asked(asking([publish]));
  const { store } = fixture.deps;
  const begin = store.begin.bind(store);
  const broken = {
    ...store,
    begin: async (input: Parameters<typeof begin>[0]) => {
      const begun = await begin(input);
      return { ...begun, head: { ...begun.head, consent: { version: 9 } } };
    },
  };
  await fixture.say('hello', { sender: ANN });
  await fixture.step({ store: broken });
  expect(fixture.runs).toHaveLength(1);
  expect(fixture.sent.at(-1)?.reply).toMatchObject({ outcome: 'failed', code: 'state-unreadable' });
  await fixture.say('', { kind: 'new' });
  await fixture.step({ store: broken });
  expect(fixture.sent.at(-1)?.reply.outcome).toBe('ok');
  expect(consentOf(await head())).toMatchObject({ open: null, granted: [] });
});

const isCommittedAt = (point: (typeof TURN_POINTS)[number]) =>
  TURN_POINTS.indexOf(point) >= TURN_POINTS.indexOf('after-commit');

/** Runs what the queue has, with a worker that is killed at the point in its first turn: it never returns. */
async function runKilledAt(fixture: Fixture, point: (typeof TURN_POINTS)[number]): Promise<void> {
  await new Promise<void>((resolve) => {
    const hang = () => {
      resolve();
      return new Promise<void>(() => {});
    };
    void fixture.step({ ...frozen(fixture), at: (reached) => (reached === point ? hang() : undefined) });
  });
  await fixture.clock.advance(61_000);
  while (await fixture.step());
}

for (const point of TURN_POINTS) {
  test(`${promise('ASK', 'ATOMIC')} a worker killed at ${point}, of the question or of its answer, costs neither`, async () => {
    const { fixture, questions, open } = await asked(asking([publish]));
    const answer = { question: questions[0]!.id, decision: 'once' } as const;
    await fixture.say('once', { answer, sender: ANN });
    await runKilledAt(fixture, point);
    expect(decisions(fixture.runs.at(-1))).toEqual([['toolu_1', 'allow', undefined]]);
    expect(await open()).toBeNull();
    await fixture.say('ask', { sender: ANN });
    await runKilledAt(fixture, point);
    expect(await open()).toMatchObject({ questions: [{ title: 'Bash: npm publish' }] });
    // Each once; this channel keeps no note of what it has sent, so a send that was not recorded comes again.
    expect(fixture.sent).toHaveLength(point === 'after-send' ? 5 : 3);
    expect(fixture.runs.filter(({ request }) => request.kind === 'answer')).toHaveLength(
      TURN_POINTS.indexOf(point) < TURN_POINTS.indexOf('mid-run') || isCommittedAt(point) ? 1 : 2,
    );
  });
}

test(`${promise('ASK', 'ONCE-IN')} a store that forgets what was decided lets a second press run again, which these tests notice`, async () => {
  const { fixture, questions } = await asked(asking([publish]));
  const { store } = fixture.deps;
  const forgetful = {
    ...store,
    commit: ({ consent: _, ...input }: Parameters<typeof store.commit>[0]) =>
      // The generation moves with the answer's files: without that, too, nothing would tell one press from the other.
      store.commit({ ...input, generation: input.baseGeneration }),
  };
  for (const id of ['one', 'two']) {
    await fixture.say('once', {
      ...{ id, sender: ANN },
      answer: { question: questions[0]!.id, decision: 'once' },
    });
    await fixture.step({ store: forgetful });
  }
  const ran = fixture.runs.filter(({ decided }) => decided?.calls?.length === 1);
  expect(ran).toHaveLength(2);
});
