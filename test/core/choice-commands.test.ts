// `/mode` and `/model`: what a chat chooses holds from the next message on, over the installation's setting, in new sessions
// and in earlier ones; and only what the installation allows can be chosen.
import { expect, test } from 'vitest';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { type Consent, chosenIn, readableConsent, withChosen } from '../../src/core/consent.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { type WhileRunning, whileRunningSchema } from '../../src/core/while-running.ts';
import { createFixture, type Fixture } from './fixture.ts';

const conversation = { tenant: 'default', channel: 'http', bot: 'local', chat: 'c', thread: null };
let messages = 0;
const message = (text: string) =>
  turnRequest({ conversation, dedupeId: `c${++messages}`, text, receivedAtMs: 0 });

const write = (fixture: Fixture, text: string, whileRunning?: WhileRunning) =>
  acceptAndQueue({ ...fixture.deps, ...(whileRunning && { whileRunning }) }, message(text));

async function told(fixture: Fixture, text: string): Promise<string> {
  await write(fixture, text);
  await fixture.step();
  return fixture.sent.at(-1)?.reply.text ?? '';
}

const MODELS = { own: 'claude-sonnet-5', choices: ['claude-opus-5', 'claude-haiku-4-5'] };

function withModels(): Fixture {
  const fixture = createFixture();
  const { runner } = fixture.deps;
  Object.assign(runner, { models: async () => MODELS });
  return fixture;
}

test.each(['queue', 'steer', 'interrupt'] as const)(
  '/mode %s holds over what the installation says, also in a new session and back in the earlier one',
  async (mode) => {
    const kind = mode === 'steer' ? 'steer' : 'message';
    for (const installed of ['queue', 'steer', 'interrupt'] as const) {
      const fixture = createFixture();
      const settings = whileRunningSchema.parse({ default: installed });
      await told(fixture, 'first');
      await told(fixture, `/mode ${mode}`);
      for (const text of ['next', '/new', 'in the new one', '/undo new', 'back']) {
        const running = await write(fixture, `${text} (runs)`, settings);
        const written = await write(fixture, text, settings);
        if (!text.startsWith('/')) expect(written.kind, `${installed}: ${text}`).toBe(kind);
        const [now] = [await fixture.deps.store.getTurn('default' as never, running.turnId)];
        const isStopped = mode === 'interrupt' && !text.startsWith('/');
        expect(now?.stopRequested, `${installed}: ${text}`).toBe(isStopped);
        while ((await fixture.step()) !== null);
      }
      await told(fixture, '/mode default');
      expect((await write(fixture, 'usual', settings)).kind).toBe(
        installed === 'steer' ? 'steer' : 'message',
      );
    }
  },
);

test('/mode alone says how it is; other words are text for the agent', async () => {
  const fixture = createFixture();
  expect(await told(fixture, '/mode')).toContain('as this bot is set up');
  await told(fixture, '/mode steer');
  expect(await told(fixture, '/mode')).toContain('told to the turn that runs');
  expect(await write(fixture, '/mode of transport')).toMatchObject({
    kind: 'message',
    text: '/mode of transport',
  });
});

test('/model: shown, chosen for the turns that follow, kept in a new session, taken back', async () => {
  const fixture = withModels();
  expect(await told(fixture, '/model')).toContain('`claude-sonnet-5`');
  await told(fixture, 'one');
  expect(await told(fixture, '/model claude-opus-5')).toContain('From now on');
  expect(await told(fixture, '/model')).toContain('This chat uses `claude-opus-5`');
  await told(fixture, 'two');
  await told(fixture, '/new');
  await told(fixture, 'three');
  await told(fixture, '/model default');
  await told(fixture, 'four');
  expect(fixture.runs.map(({ model }) => model)).toEqual([
    undefined,
    'claude-opus-5',
    'claude-opus-5',
    undefined,
  ]);
});

test('/model: what is not among the choices changes nothing; without choices it says so', async () => {
  const fixture = withModels();
  await told(fixture, '/model claude-opus-5');
  expect(await told(fixture, '/model claude-most-expensive')).toContain('There is no model');
  expect(await told(fixture, '/model')).toContain('claude-opus-5');
  expect(await told(createFixture(), '/model')).toContain('no others to choose from');
});

test('/status says what the chat has chosen, and nothing where it has not', async () => {
  const fixture = withModels();
  expect(await told(fixture, '/status')).not.toContain('Chosen');
  await told(fixture, '/model claude-opus-5');
  await told(fixture, '/mode interrupt');
  expect(await told(fixture, '/status')).toContain(
    'Chosen for this chat: `claude-opus-5`. What you write while I work ends the turn',
  );
});

test('a choice leaves what is asked and allowed as it is, and one that cannot be read is none', () => {
  const consent: Consent = { ...readableConsent({ consent: null, sessionId: 's' as never }), granted: [] };
  const head = { consent: consent as never, sessionId: 's' as never };
  expect(withChosen(head, { model: 'm' })).toEqual({ ...consent, chosen: { model: 'm' } });
  expect(withChosen(head, { model: undefined })).toEqual({ ...consent, chosen: {} });
  expect(chosenIn({ consent: { version: 9 }, sessionId: 's' as never })).toEqual({});
});

test('where messages steer, a command of the agent folder is still a turn of its own', async () => {
  const fixture = createFixture();
  const settings = whileRunningSchema.parse({ default: 'steer' });
  expect((await write(fixture, '/hours', settings)).kind).toBe('message');
  expect((await write(fixture, '/etc/hosts is wrong', settings)).kind).toBe('steer');
});

test('/help lists what the agent folder adds', async () => {
  const fixture = createFixture();
  await write(fixture, '/help');
  await fixture.step({ commands: [{ name: 'hours', help: 'When we are open' }] });
  expect(fixture.sent.at(-1)?.reply.text).toContain('`/hours` – When we are open');
});
