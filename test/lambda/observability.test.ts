// What alarms and dashboard read follows from what is said in the log: one row for each event that is counted.
import type { LambdaFunctionURLEvent } from 'aws-lambda';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { CHANNELS } from '../../src/channels/index.ts';
import { createIngress } from '../../src/lambda/ingress.ts';
import { METRICS } from '../../src/lambda/metric-names.ts';
import { createObservability, noteRefusal } from '../../src/lambda/observability.ts';
import { VARIABLES } from '../../src/lambda/variables.ts';
import { startParameterStore } from '../../testing/lambda/parameter-store.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

/** The metrics that were written while `act` ran, by name. */
async function metricsOf(act: () => unknown): Promise<Record<string, number>> {
  let written = '';
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      written += String(text);
      return true;
    });
  }
  await act();
  const emitted = written
    .split('\n')
    .filter((line) => line.includes('"_aws"'))
    .map((line) => JSON.parse(line));
  return Object.fromEntries(
    emitted.flatMap((line) =>
      Object.values(METRICS).flatMap((name) => (name in line ? [[name, line[name]]] : [])),
    ),
  );
}

describe('counted', () => {
  test.each([
    ['turn-waits', { waitingFor: 'model', ageMs: 240_000 }, { [METRICS.outageMs]: 240_000 }],
    ['function-not-ready', { alarm: true }, { [METRICS.notReady]: 1 }],
    ['worker-exposed', { reason: 'x' }, { [METRICS.exposed]: 1 }],
    ['request-refused', { status: 503 }, { [METRICS.refused]: 1 }],
    ['turn-ended', { outcome: 'retry', reason: 'x' }, { [METRICS.retries]: 1 }],
    ['turn-ended', { outcome: 'continue' }, {}],
    [
      'turn-timeline',
      { hostMs: 3, restoreMs: 4, agentMs: 90, modelMs: 70, checkpointMs: 5, commitMs: 6, firstTextMs: 40 },
      {
        [METRICS.firstTextMs]: 40,
        [METRICS.restoreMs]: 7,
        [METRICS.modelMs]: 70,
        [METRICS.saveMs]: 11,
      },
    ],
    ['turn-timeline', { queueMs: 5, deliverMs: 1 }, {}],
    ['something-else', { ageMs: 5 }, {}],
  ])('%s', async (event, fields, expected) => {
    const counted = await metricsOf(() => {
      const { log, flush } = createObservability({ installation: 'test', logLevel: 'info' });
      log('warn', event, fields);
      flush();
    });
    expect(counted).toEqual(expected);
  });

  test.each([
    [200, 0],
    [401, 0],
    [404, 0],
    [500, 1],
    [503, 1],
  ])('an answer of %d is %d refused requests', async (status, times) => {
    const log = vi.fn();
    noteRefusal(new Response(null, { status }), log);
    expect(log).toHaveBeenCalledTimes(times);
  });
});

test('a webhook whose message cannot be queued is a 503, a metric and a line', async () => {
  const parameters = await startParameterStore({ '/test/secret': 'the-secret-of-the-webhook' });
  const nowhere = 'http://127.0.0.1:9';
  const variables = {
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
    AWS_MAX_ATTEMPTS: '1',
    AWS_ENDPOINT_URL_SSM: parameters.endpoint,
    AWS_ENDPOINT_URL_SQS: nowhere,
    AWS_ENDPOINT_URL_DYNAMODB: nowhere,
    [VARIABLES.installation]: 'test',
    [VARIABLES.mappingTable]: 'mapping',
    [VARIABLES.stateTable]: 'state',
    [VARIABLES.queueUrl]: `${nowhere}/turns.fifo`,
    [VARIABLES.channels]: 'telegram',
    HYBRID_SESSIONS_TELEGRAM_WEBHOOK_SECRET_PARAMETER: '/test/secret',
    HYBRID_SESSIONS_TELEGRAM_ALLOWED_USERS: '[1001]',
    HYBRID_SESSIONS_TELEGRAM_BOT_ID: '42',
    HYBRID_SESSIONS_TELEGRAM_BOT_USERNAME: 'test_bot',
  };
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  const update = {
    update_id: 1,
    message: {
      message_id: 1,
      date: 1,
      text: 'hello',
      from: { id: 1001, is_bot: false, first_name: 'P' },
      chat: { id: 1001, type: 'private' },
    },
  };
  let status: number | undefined;
  const counted = await metricsOf(async () => {
    const answer = await createIngress(CHANNELS)({
      rawPath: '/telegram',
      rawQueryString: '',
      headers: {
        'content-type': 'application/json',
        'x-telegram-bot-api-secret-token': 'the-secret-of-the-webhook',
      },
      body: JSON.stringify(update),
      isBase64Encoded: false,
      requestContext: { domainName: 'x.example', http: { method: 'POST' } },
    } as unknown as LambdaFunctionURLEvent);
    status = answer.statusCode;
  });
  expect([status, counted]).toEqual([503, { [METRICS.refused]: 1 }]);
  await parameters.close();
});
