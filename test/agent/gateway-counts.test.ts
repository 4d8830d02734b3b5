// What an agent's side says of the model counts less than what the gateway saw: a host is no more trusted than its agent.
import { afterAll, expect, test } from 'vitest';
import { gatewayPerTurn } from '../../src/agent/gateway-per-turn.ts';
import { createModelAccess } from '../../src/agent/model-access.ts';
import type { AgentOutcome } from '../../src/core/ports/execution.ts';
import { createFixture, requestOf, say } from './turn-fixture.ts';

const fixture = await createFixture();
afterAll(() => fixture.close());

test('a host that lies about the model takes it away from nobody, and its figures are not used', async () => {
  fixture.model.respondWith(() => ({ ...say('hi'), usage: { inputTokens: 5, outputTokens: 6 } }));
  const settings = {
    ...fixture.folder.settings,
    model: 'claude-sonnet-5',
    fallbackModel: 'claude-haiku-4-5',
  };
  const access = createModelAccess({
    folder: { ...fixture.folder, settings },
    model: { baseUrl: fixture.model.url, demo: false },
    gateway: gatewayPerTurn({ model: { baseUrl: fixture.model.url, demo: false } }),
  });
  const run = {
    sessionId: fixture.lease.sessionId,
    resume: false,
    continuing: false,
    request: requestOf('hello', 'm1'),
    tries: 1,
    signal: new AbortController().signal,
    progress: () => {},
  };
  const lie: AgentOutcome = {
    status: 'failed',
    text: '',
    demo: false,
    usage: { inputTokens: 1e9, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costUsd: -5 },
    failure: { code: 'model-unavailable', message: 'away', status: 529, retryAfterMs: 3_600_000 },
  };
  const models: (string | undefined)[] = [];
  const outcome = await access.during(run as never, async ({ folder, model }) => {
    models.push(folder.settings.model);
    await fetch(`${model.baseUrl}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': model.apiKey ?? '' },
      body: JSON.stringify({ model: 'claude-sonnet-5', max_tokens: 9, messages: [] }),
    }).then((answer) => answer.text());
    return lie;
  });
  expect(outcome.usage).toMatchObject({ inputTokens: 5, outputTokens: 6 });
  expect(outcome.usage?.costUsd).toBeGreaterThan(0);
  await access.during(run as never, async ({ folder }) => {
    models.push(folder.settings.model);
    return { status: 'ok', text: 'x', demo: false };
  });
  expect(models).toEqual(['claude-sonnet-5', 'claude-sonnet-5']);
});

test('a spent budget is told in the gateway’s words, whatever the agent’s side made of it', async () => {
  const access = createModelAccess({
    folder: { ...fixture.folder, settings: { ...fixture.folder.settings, model: 'claude-sonnet-5' } },
    model: { baseUrl: 'http://127.0.0.1:9', demo: false },
    gateway: gatewayPerTurn({ model: { baseUrl: 'http://127.0.0.1:9', demo: false } }),
    budgets: { turn: { usd: 0 } },
  });
  const outcome = await access.during(
    {
      sessionId: fixture.lease.sessionId,
      request: requestOf('hello', 'm2'),
      tries: 1,
      progress() {},
    } as never,
    async ({ model }) => {
      await fetch(`${model.baseUrl}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': model.apiKey ?? '' },
        body: JSON.stringify({ model: 'claude-sonnet-5', max_tokens: 9, messages: [] }),
      });
      return {
        status: 'failed',
        text: '',
        demo: false,
        failure: { code: 'model-unavailable', message: 'x' },
      };
    },
  );
  expect(outcome.failure).toEqual({
    code: 'agent-error',
    message: expect.stringContaining('what one turn may use ($0.00)'),
  });
});
