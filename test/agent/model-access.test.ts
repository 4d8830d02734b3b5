// A turn's way to the model, through the real CLI: which models it may call, who counts, what a spent budget and a model
// that is away do to the turn.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAgentRunner } from '../../src/agent/runner.ts';
import { turnModels } from '../../src/agent/turn-models.ts';
import type { AgentRunner } from '../../src/core/ports/execution.ts';
import type { ModelReply } from '../../testing/model/scripted-model.ts';
import { bash, createFixture, type Fixture, NO_SANDBOX, obey, requestOf, say } from './turn-fixture.ts';

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.close());

const MAIN = 'claude-sonnet-5';
const OTHER = 'claude-haiku-4-5';
const usage = { inputTokens: 1_000, outputTokens: 100, cacheReadTokens: 0, cacheWriteTokens: 0 };
const costing = (reply: ModelReply): ModelReply => ({ ...reply, usage });

function folderWith(settings: object) {
  return { ...fixture.folder, settings: { ...fixture.folder.settings, ...settings } };
}

const modelsAsked = () =>
  fixture.model.requests.map(({ body }) => (body as { model?: string } | null)?.model);

test('models: what folder and server name, a Haiku besides; the CLI’s own default where nobody names one', () => {
  const agents = { a: { description: 'x', prompt: 'x', model: 'opus' } };
  const skills = [{ name: 's', description: 'x', path: '/', model: 'claude-fable-5' }];
  const folder = { ...folderWith({ model: MAIN, claude: { model: 'claude-opus-5' } }), agents, skills };
  expect(turnModels(folder, 'served')).toEqual([MAIN, 'claude-opus-5', 'opus', 'claude-fable-5', 'haiku']);
  expect(turnModels({ ...fixture.folder, agents: {}, skills: [] }, 'served')).toEqual(['served', 'haiku']);
  expect(turnModels({ ...fixture.folder, agents: {}, skills: [] })).toContain('sonnet');
});

test.each(['default', 'opusplan', 'sonnet[1m]', 'claude-opus-4-1', 'my-own-model'])(
  'what the CLI makes of "%s" is let through',
  async (model) => {
    const outcome = await fixture.turn('hello', { runner: { folder: folderWith({ model }) } });
    expect(outcome).toMatchObject({ status: 'ok' });
    expect(modelsAsked().filter((asked) => asked === undefined)).toEqual([]);
  },
);

test('a model that is taken back is not asked any more, in a conversation that had it, too', async () => {
  const before = await fixture.turn('hello', { runner: { folder: folderWith({ model: 'claude-fable-5' }) } });
  expect(before.status).toBe('ok');
  const asked = fixture.model.requests.length;
  const after = await fixture.turn('and now?', { runner: { folder: folderWith({ model: undefined }) } });
  expect(after).toMatchObject({ status: 'ok' });
  expect(modelsAsked().slice(asked)).not.toContain('claude-fable-5');
});

test('a model that the chat has chosen is asked, as long as the folder lists it', async () => {
  const asked = async (chatModels: readonly string[] | undefined, model: string) => {
    const before = fixture.model.requests.length;
    const runner = { folder: folderWith({ model: MAIN, chatModels }) };
    expect(await fixture.turn('hello', { model, runner })).toMatchObject({ status: 'ok' });
    return modelsAsked().slice(before);
  };
  expect(await asked(['claude-opus-5'], 'claude-opus-5')).toContain('claude-opus-5');
  expect(await asked(['claude-fable-5'], 'claude-opus-5')).not.toContain('claude-opus-5');
  expect(await asked(undefined, 'claude-opus-5')).toContain(MAIN);
});

test('a command with the turn’s token reaches no other model, and what it asks of the turn’s own is counted', async () => {
  fixture.model.respondWith((request) => costing(obey(request)));
  const ask = (model: string) =>
    `curl -s -m 10 -o /dev/null -w '%{http_code} ' -H "x-api-key: $ANTHROPIC_API_KEY" -H 'content-type: application/json' -d '{"model":"${model}","max_tokens":9,"messages":[{"role":"user","content":"unmetered"}]}' "$ANTHROPIC_BASE_URL/v1/messages"`;
  const take = `eval $(tr '\\0' '\\n' < /proc/$PPID/environ | grep -E '^ANTHROPIC_(BASE_URL|API_KEY)=')`;
  const order = bash(`${take}; ${ask('claude-most-expensive')}; ${ask(MAIN)}`);
  const outcome = await fixture.turn(order, { runner: { folder: folderWith({ model: MAIN }) } });
  expect(outcome.text).toMatch(/404 200/);
  expect(modelsAsked()).not.toContain('claude-most-expensive');
  const calls = fixture.model.requests.filter(({ path }) => path === '/v1/messages').length;
  expect(calls).toBeGreaterThanOrEqual(3);
  expect(outcome.usage).toMatchObject({ inputTokens: 1_000 * calls, outputTokens: 100 * calls });
  expect(outcome.usage?.costUsd).toBeCloseTo((calls * (1_000 * 2 + 100 * 10)) / 1e6, 10);
});

test('a budget that is used up ends the turn at once, with words for the person, and takes nothing out', async () => {
  fixture.model.respondWith((request) => costing(obey(request)));
  const runner = { folder: folderWith({ model: MAIN }), budgets: { turn: { usd: 0.001 } } };
  const outcome = await fixture.turn(bash('echo done > made.txt; echo did it'), { runner });
  expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'agent-error' } });
  expect(outcome.failure?.message).toMatch(/one turn may use \(\$0\.0010\)/);
  expect(outcome.failure?.message).not.toMatch(/API Error|402/);
  const asked = fixture.model.requests.length;
  expect(asked).toBeLessThanOrEqual(2);
  const next = await fixture.turn('and now?', { runner: { folder: folderWith({ model: MAIN }) } });
  expect(next.status).toBe('ok');
  expect(JSON.stringify(fixture.model.requests.at(-1)?.body)).toContain('did it');
});

describe('a fallback model', () => {
  let turns = 0;
  async function run(runner: AgentRunner, tries: number) {
    turns += 1;
    return await runner.run({
      sessionId: fixture.lease.sessionId,
      resume: turns > 1,
      continuing: false,
      directory: fixture.directory,
      request: requestOf('hello', `fallback-${turns}`),
      tries,
      signal: new AbortController().signal,
      progress: () => {},
    });
  }
  const open = (settings: object) =>
    createAgentRunner({
      folder: folderWith(settings),
      model: { baseUrl: fixture.model.url, apiKey: 'real-key', demo: false },
      sandbox: NO_SANDBOX,
    });
  const away = { fault: 'status', status: 529, retryAfterSec: 900 } as const;
  beforeEach(() => {
    turns = 0;
  });

  test('takes the next try, says so in a line, and does so on a worker that saw nothing of it', async () => {
    fixture.model.respondWith(({ model }) => (model === MAIN ? away : say('from the other')));
    const runner = open({ model: MAIN, fallbackModel: OTHER });
    const first = await run(runner, 1);
    expect(first.failure).toMatchObject({ code: 'model-unavailable', status: 529 });
    // Nobody need wait the named quarter of an hour.
    expect(first.failure).not.toHaveProperty('retryAfterMs');
    const elsewhere = open({ model: MAIN, fallbackModel: OTHER });
    for (const [which, tries] of [
      [runner, 2],
      [elsewhere, 2],
      [runner, 1],
    ] as const) {
      const outcome = await run(which, tries);
      expect(outcome.text).toBe(
        `from the other\n\n_(${MAIN} does not answer right now. ${OTHER} wrote this.)_`,
      );
    }
  });

  test('is not taken when the model answers again, nor without a failure before', async () => {
    fixture.model.respondWith(({ model }) => say(`from ${model}`));
    for (const tries of [1, 2]) {
      const outcome = await run(open({ model: MAIN, fallbackModel: OTHER }), tries);
      expect(outcome.text).toBe(`from ${MAIN}`);
    }
  });

  test('that is away, too, is an outage; without one a named time is kept', async () => {
    fixture.model.respondWith(() => away);
    const both = await run(open({ model: MAIN, fallbackModel: OTHER }), 2);
    expect(both.failure).toMatchObject({ code: 'model-unavailable', retryAfterMs: 900_000 });
    const none = await run(open({ model: MAIN }), 2);
    expect(none.failure).toMatchObject({ code: 'model-unavailable', retryAfterMs: 900_000 });
  });
});
