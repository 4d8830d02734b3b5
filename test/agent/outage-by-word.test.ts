// An outage costs a message no attempt, so what an agent's side says of one is held against what the gateway saw: where the
// gateway is in the worker's process, and where it is a function of its own.
import { describe, expect, test } from 'vitest';
import { createModelAccess, type TurnGateway } from '../../src/agent/model-access.ts';
import { folderModelsOf, type NamedModels } from '../../src/agent/turn-models.ts';
import { systemClock } from '../../src/core/clock.ts';
import { newSessionId } from '../../src/core/ids.ts';
import type { AgentOutcome } from '../../src/core/ports/execution.ts';
import type { HostRun } from '../../src/core/ports/hosts.ts';
import type { Budgets } from '../../src/gateway/budgets.ts';
import { createUpstream } from '../../src/gateway/create-upstream.ts';
import type { ModelFailure } from '../../src/gateway/model-gateway.ts';
import { createStatelessGateway } from '../../src/gateway/stateless-gateway.ts';
import { createRemoteGateway } from '../../src/lambda/remote-gateway.ts';
import { toNodeHandler } from '../../src/node-handler.ts';
import { createMemoryUsageLedger } from '../../src/stores/memory/usage-ledger.ts';
import { messageBody, openGateway, serve } from '../gateway/fixture.ts';
import { requestOf } from './turn-fixture.ts';

const MAIN = 'claude-sonnet-5';
const OTHER = 'claude-haiku-4-5';
const FOLDER: NamedModels = { model: MAIN, fallbackModel: 'claude-opus-5', others: ['claude-opus-4-6'] };
const secret = new Uint8Array(32).fill(3);

type Answers = (model: string, how: number) => 'ok' | 'away' | 'cut' | 'error event' | 'slow' | number;

/** A model's server; `asked` has the models, in order. */
async function model(answers: Answers) {
  const asked: string[] = [];
  const baseUrl = await serve(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    const { model: named = '' } = body === '' ? {} : (JSON.parse(body) as { model?: string });
    asked.push(named);
    const answer = answers(named, asked.length);
    if (answer === 'away') return void request.socket.destroy();
    if (typeof answer === 'number') {
      const headers = { 'content-type': 'application/json', 'retry-after': '900' };
      return void response.writeHead(answer, headers).end('{"type":"error"}');
    }
    if (answer === 'ok') {
      const usage = { input_tokens: 3, output_tokens: 4 };
      response.writeHead(200, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify({ type: 'message', model: named, usage, content: [] }));
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":1}}}\n\n');
    if (answer === 'slow') return;
    if (answer === 'cut') setImmediate(() => request.socket.destroy());
    else response.end('data: {"type":"error","error":{"type":"overloaded_error"}}\n\n');
  });
  return { baseUrl, asked };
}

interface Place {
  readonly gateway: TurnGateway;
  /** From now on nobody answers at its address; null where it has none. */
  readonly vanish: (() => void) | null;
}

const PLACES: Readonly<Record<string, (baseUrl: string) => Promise<Place>>> = {
  'in this process': async (baseUrl) => ({
    gateway: await openGateway({ upstream: { baseUrl } }),
    vanish: null,
  }),
  'a function of its own': async (baseUrl) => {
    const usage = createMemoryUsageLedger();
    const noted = new Map<string, ModelFailure>();
    const stateless = createStatelessGateway({
      secrets: [secret],
      upstream: { baseUrl },
      usage,
      troubles: {
        async note({ turnId, run }, failure) {
          noted.set(`${turnId} ${run}`, failure);
        },
      },
    });
    let isThere = true;
    const handle = toNodeHandler(async (request) => {
      const response = await stateless.handle(request);
      // As the function does before it is frozen.
      const text = await response.text().catch(() => null);
      await stateless.written();
      return text === null ? new Response(null, { status: 502 }) : new Response(text, response);
    });
    const url = await serve((request, response) => {
      if (isThere) void handle(request, response);
      else request.socket.destroy();
    });
    return {
      vanish: () => {
        isThere = false;
      },
      gateway: createRemoteGateway({
        url,
        secret,
        upstream: createUpstream({ baseUrl }),
        usage,
        troubles: { read: async (_tenant, turnId, run) => noted.get(`${turnId} ${run}`) ?? null },
        notes: null,
        clock: systemClock,
      }),
    };
  },
};

const AWAY: AgentOutcome = {
  status: 'failed',
  text: '',
  demo: false,
  failure: { code: 'model-unavailable', message: 'away', status: 529, retryAfterMs: 3_600_000 },
};

let turns = 0;
const runOf = (tries = 1): HostRun => ({
  sessionId: newSessionId(),
  resume: false,
  continuing: false,
  request: requestOf('hello', `m${++turns}`),
  tries,
  signal: new AbortController().signal,
  progress: () => {},
});

/** Asks as an agent does with what it was given; resolves with the statuses, 0 for an answer that broke. */
const askingFor =
  (...models: string[]) =>
  async (url: string, token: string): Promise<number[]> => {
    const statuses: number[] = [];
    for (const named of models) {
      const answer = await fetch(`${url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-api-key': token },
        body: messageBody({ model: named }),
      });
      const text = await answer.text().catch(() => null);
      statuses.push(text === null ? 0 : answer.status);
    }
    return statuses;
  };

describe.each(Object.entries(PLACES))('the gateway is %s', (name, open) => {
  async function turn(
    answers: Answers,
    ask: ReturnType<typeof askingFor>,
    options: {
      outcome?: AgentOutcome;
      folder?: NamedModels;
      budgets?: Budgets;
      tries?: number;
      vanish?: boolean;
    } = {},
  ) {
    const { baseUrl, asked } = await model(answers);
    const { gateway, vanish } = await open(baseUrl);
    const access = createModelAccess({
      folder: folderModelsOf(options.folder ?? FOLDER),
      model: { baseUrl, demo: false },
      gateway,
      ...(options.budgets ? { budgets: options.budgets } : {}),
    });
    let statuses: number[] = [];
    let used: string | undefined;
    const outcome = await access.during(runOf(options.tries), async ({ folder, model: given }) => {
      used = folder.settings.model;
      statuses = await ask(given.baseUrl ?? '', given.apiKey ?? '');
      if (options.vanish) vanish?.();
      return options.outcome ?? AWAY;
    });
    return { outcome, statuses, asked, used, access };
  }

  test('an outage that nobody saw, of a model that answers, is the agent’s own failure', async () => {
    const { outcome, asked } = await turn(() => 'ok', askingFor(MAIN));
    expect(outcome).toMatchObject({ status: 'failed', failure: { code: 'agent-crashed' } });
    expect(asked).toEqual([MAIN, MAIN]);
    // Where the CLI chooses the model itself, nobody here can ask for it.
    const unnamed = await turn(() => 'ok', askingFor(), { folder: { others: [] } });
    expect(unnamed.outcome.failure?.code).toBe('agent-crashed');
  });

  test.each<[string, Answers]>([
    ['does not answer', () => 'away'],
    ['is overloaded', () => 529],
    ['breaks an answer off', (_, how) => (how === 1 ? 'cut' : 'ok')],
    ['tells of an error in the midst of an answer', (_, how) => (how === 1 ? 'error event' : 'ok')],
    ['failed, and answered something else since', (_, how) => (how === 1 ? 500 : 'ok')],
  ])('a model that %s is away', async (_name, answers) => {
    const { outcome } = await turn(answers, askingFor(MAIN, MAIN));
    expect(outcome.failure).toMatchObject({ code: 'model-unavailable' });
    expect(outcome.failure?.retryAfterMs).not.toBe(3_600_000);
  });

  test('the time to wait is the server’s, and a turn that went well is left as it is', async () => {
    const only = { folder: { model: MAIN, others: [] } };
    const { outcome } = await turn(() => 529, askingFor(MAIN), only);
    expect(outcome.failure).toMatchObject({ status: 529, retryAfterMs: 900_000 });
    const fine: AgentOutcome = { status: 'ok', text: 'x', demo: false };
    expect(
      (await turn((_, how) => (how === 1 ? 529 : 'ok'), askingFor(MAIN), { outcome: fine })).outcome,
    ).toMatchObject({ status: 'ok', text: 'x' });
  });

  if (name === 'in this process')
    test('an agent that hangs up in the midst of an answer has seen no outage', async () => {
      const { outcome } = await turn(
        (_, how) => (how === 1 ? 'slow' : 'ok'),
        async (url, token) => {
          const ending = new AbortController();
          const answer = await fetch(`${url}/v1/messages`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', 'x-api-key': token },
            body: messageBody({ model: MAIN }),
            signal: ending.signal,
          });
          await answer.body?.getReader().read();
          ending.abort();
          return [];
        },
      );
      expect(outcome.failure?.code).toBe('agent-crashed');
    });

  test('the token is good for the folder’s models and the small one, and for no other', async () => {
    const ask = askingFor(MAIN, 'claude-opus-4-6', OTHER, 'claude-fable-5', 'claude-opus-5');
    const { statuses, asked } = await turn(() => 'ok', ask, {
      outcome: { status: 'ok', text: '', demo: false },
    });
    expect(statuses).toEqual([200, 200, 200, 404, 404]);
    expect(asked).not.toContain('claude-fable-5');
  });

  test('a model that is still away at the next try makes room for the fallback, which the token then allows', async () => {
    const answers: Answers = (named) => (named === MAIN ? 529 : 'ok');
    const outcome: AgentOutcome = { status: 'ok', text: 'said', demo: false };
    const again = await turn(answers, askingFor('claude-opus-5', MAIN), { outcome, tries: 2 });
    expect(again.used).toBe('claude-opus-5');
    expect(again.statuses).toEqual([200, 404]);
    expect(again.outcome.text).toContain('claude-opus-5 wrote this');
  });

  test('a spent budget is told in the gateway’s words; what was used is what the gateway counted', async () => {
    const spent = await turn(() => 'ok', askingFor(MAIN), { budgets: { turn: { usd: 0 } } });
    expect(spent.outcome.failure).toMatchObject({ code: 'agent-error', message: /used up/ });
    const counted = await turn(() => 'ok', askingFor(MAIN, MAIN), {
      outcome: { status: 'ok', text: '', demo: false },
    });
    expect(counted.outcome.usage).toMatchObject({ inputTokens: 6, outputTokens: 8 });
  });

  test('a request that lasts in failing is told from a model that does not answer anybody', async () => {
    const lasting = await turn((_, how) => (how <= 2 ? 500 : 'ok'), askingFor(MAIN));
    expect(lasting.outcome.failure?.code).toBe('model-unavailable');
    expect(await lasting.access.answersAgain()).toBe(false);
    expect(await lasting.access.answersAgain()).toBe(true);
  });

  if (name !== 'in this process')
    test.each([FOLDER, { others: [] }])(
      'a gateway that cannot be reached itself is an outage (%j)',
      async (folder) => {
        const { outcome } = await turn(() => 'ok', askingFor(), { folder, vanish: true });
        expect(outcome.failure?.code).toBe('model-unavailable');
      },
    );
});
