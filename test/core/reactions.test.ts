// A reaction to an answer is no turn of the agent: it is shown with the next message, once, as it stands then; one to a message
// of somebody else, or from a channel that knows no messages, changes nothing.
import { expect, test } from 'vitest';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { contextBlock } from '../../src/core/message-context.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { promise } from '../../src/core/promises.ts';
import { isReaction, reactionText } from '../../src/core/reactions.ts';
import { createFixture, type Fixture } from './fixture.ts';

const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };
const ANN = { id: '1', name: 'Ann' };
const BEN = { id: '2', name: 'Ben' };
let inputs = 0;

function open(): Fixture {
  const fixture = createFixture();
  const channel = fixture.deps.channels.get('http')!;
  // Each reply's note is the number of its message.
  let sent = 0;
  const { deliver } = channel;
  Object.assign(channel, {
    async deliver(...given: Parameters<typeof deliver>) {
      const [context, reply] = given;
      if (!reply.quiet) await context.remember(++sent);
      await deliver(context, reply);
    },
    holds: (anchor: unknown, ref: string) => String(anchor) === ref,
  });
  return fixture;
}

async function input(
  fixture: Fixture,
  kind: 'message' | 'command',
  text: string,
  sender = ANN,
  id = `r${++inputs}`,
) {
  const request = turnRequest({ conversation, dedupeId: id, kind, text, sender, receivedAtMs: 0 });
  await acceptAndQueue(fixture.deps, request);
  while ((await fixture.step()) !== null);
}
const says = (fixture: Fixture, text: string) => input(fixture, 'message', text);
const reacts = (fixture: Fixture, ref: string, given: string[], who = ANN, id?: string) =>
  input(fixture, 'command', reactionText(ref, given), who, id);
const shown = (fixture: Fixture) => fixture.runs.at(-1)?.request.context?.reactions;

test(`${promise('ONCE-IN')} shown with the next message, once, however often it comes`, async () => {
  const fixture = open();
  await says(fixture, 'one');
  for (let at = 0; at < 3; at++) await reacts(fixture, '1', ['👍'], ANN, 'same');
  expect(fixture.runs).toHaveLength(1);
  expect(fixture.sent.filter(({ reply }) => !reply.quiet)).toHaveLength(1);
  await says(fixture, 'two');
  expect(shown(fixture)).toEqual([{ by: 'Ann', given: ['👍'], to: 'heard one' }]);
  expect(contextBlock(fixture.runs.at(-1)?.request.context)).toContain('"to_your_message": "heard one"');
  await says(fixture, 'three');
  expect(shown(fixture)).toBeUndefined();
});

test('as it stands then: the last one of each person counts, and one that was taken back is none', async () => {
  const fixture = open();
  await says(fixture, 'one');
  await says(fixture, 'two');
  await reacts(fixture, '1', ['👍']);
  await reacts(fixture, '1', ['👎', '🔥'], BEN);
  await reacts(fixture, '2', ['❤']);
  await reacts(fixture, '1', []);
  await says(fixture, 'three');
  expect(shown(fixture)).toEqual([
    { by: 'Ben', given: ['👎', '🔥'], to: 'heard one' },
    { by: 'Ann', given: ['❤'], to: 'heard two' },
  ]);
});

test('kept by a turn that fails, and behind in the old session by /new', async () => {
  const fixture = open();
  await says(fixture, 'one');
  await reacts(fixture, '1', ['👍']);
  const answer = fixture.agent;
  fixture.agent = async () => ({
    status: 'failed',
    text: '',
    demo: false,
    failure: { code: 'agent-error', message: 'no' },
  });
  await says(fixture, 'two');
  fixture.agent = answer;
  await says(fixture, 'three');
  expect(shown(fixture)).toHaveLength(1);
  await reacts(fixture, '1', ['👍']);
  await says(fixture, '/new');
  await says(fixture, 'four');
  expect(shown(fixture)).toBeUndefined();
});

test('to another message, or on a channel that knows none: nothing', async () => {
  const fixture = open();
  await says(fixture, 'one');
  await reacts(fixture, '77', ['👍']);
  await says(fixture, 'two');
  expect(shown(fixture)).toBeUndefined();
  const plain = createFixture();
  await says(plain, 'one');
  await reacts(plain, '1', ['👍']);
  await says(plain, 'two');
  expect(shown(plain)).toBeUndefined();
});

test('nobody can write one', () => {
  for (const text of ['/reaction 1', 'reaction 1\n["x"]']) {
    expect(isReaction(turnRequest({ conversation, dedupeId: 'x', text, receivedAtMs: 0 }))).toBe(false);
  }
  expect(isReaction({ kind: 'command', text: reactionText('1', ['x']) })).toBe(true);
});
