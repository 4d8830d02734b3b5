// Counts the AWS calls of real turns (the core's own, over DynamoDB Local, our S3 and our SQS) and compares them with
// the table in docs/aws-calls.md, so that the table cannot drift.

import { mkdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, expect, test } from 'vitest';
import { acceptAndQueue } from '../../src/core/accept.ts';
import { RETENTION_SEC } from '../../src/core/defaults.ts';
import { newSessionId } from '../../src/core/ids.ts';
import { silentLog } from '../../src/core/log.ts';
import { type TurnRequestInput, turnRequest } from '../../src/core/messages.ts';
import type { AgentRun, Channel } from '../../src/core/ports.ts';
import { promise } from '../../src/core/promises.ts';
import { processMessage } from '../../src/core/worker.ts';
import { createTemporaryWorkplace } from '../../src/lambda/temporary-workplace.ts';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { createSessionState } from '../../src/state/session-state.ts';
import { createDynamoSchedules } from '../../src/stores/dynamodb/schedules.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { createEventBridgeTimers } from '../../src/stores/eventbridge/timers.ts';
import { createS3ObjectStore } from '../../src/stores/s3/object-store.ts';
import { withTimers } from '../../src/stores/timed-schedules.ts';
import { localAws, startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { startS3Server } from '../../testing/aws/s3/server.ts';
import { startSchedulerServer } from '../../testing/aws/scheduler/server.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { createManualClock } from '../../testing/clock.ts';
import { scheduleOf } from '../../testing/contracts/schedules.ts';
import { type WorkerParts, workerOf } from '../../testing/worker-parts.ts';
import { until } from '../waiting.ts';
import { meter, PRICES } from './call-meter.ts';

const dynamo = await startDynamoDbLocal();
const DOCUMENT = new URL('../../docs/aws-calls.md', import.meta.url);

if ('unavailable' in dynamo) {
  test.skip(`counting AWS calls left out: ${dynamo.unavailable}`, () => {});
} else {
  const clock = createManualClock(Date.now());
  const [s3Server, sqsServer] = [await startS3Server(), await startSqsFifoServer({ clock })];
  const root = await mkdtemp(join(tmpdir(), 'hs-calls-'));
  const s3 = new S3Client({ ...localAws, endpoint: s3Server.endpoint, forcePathStyle: true });
  const sqs = new SQSClient({ ...localAws, endpoint: sqsServer.endpoint });
  afterAll(async () => {
    s3.destroy();
    sqs.destroy();
    await timers.close();
    await Promise.all([s3Server.close(), sqsServer.close(), scheduler.close(), dynamo.close()]);
    await rm(root, { recursive: true, force: true });
  });

  const tables = await dynamo.createTables('calls');
  await s3.send(new CreateBucketCommand({ Bucket: 'calls' }));
  const makeQueue = async (name: string) => {
    const command = new CreateQueueCommand({
      QueueName: `${name}.fifo`,
      Attributes: { FifoQueue: 'true', ContentBasedDeduplication: 'true' },
    });
    return (await sqs.send(command)).QueueUrl!;
  };
  const client = dynamo.client();
  const counted = meter(client, s3, sqs);
  const queueUrl = await makeQueue('turns');
  const scheduler = await startSchedulerServer({
    sqs: new SQSClient({ ...localAws, endpoint: sqsServer.endpoint }),
    queueUrlOf: () => queueUrl,
    key: localAws.credentials,
    region: localAws.region,
    clock,
  });
  scheduler.createGroup('timers');
  scheduler.intercept((request) => {
    const [method = '', path = ''] = request.split(' ');
    const names: Record<string, string> = { POST: 'Create', PUT: 'Update', DELETE: 'Delete' };
    const name = names[method] ?? (path.startsWith('/schedules?') ? 'List' : 'Get');
    counted.note(`${name}${name === 'List' ? 'Schedules' : 'Schedule'}`, 0);
  });
  const timers = createEventBridgeTimers({
    groupName: 'timers',
    queueArn: 'arn:aws:sqs:us-east-1:000000000000:turns.fifo',
    roleArn: 'arn:aws:iam::000000000000:role/timers',
    clock,
    ...localAws,
    endpoint: scheduler.endpoint,
  });
  const schedules = withTimers(createDynamoSchedules({ client, ...tables, clock }), timers, clock);

  const channel: Channel = {
    name: 'http',
    capabilities: { edit: false, markdown: true, maxTextLength: 1_000_000 },
    open: () => ({ push() {}, async close() {} }),
    async deliver() {},
  };
  /** One more worker, with a folder of its own that keeps the last session. */
  const startWorker = (name: string) => {
    mkdirSync(join(root, name));
    return createTemporaryWorkplace(join(root, name), { keepSession: true });
  };
  const deps: WorkerParts = {
    // However slow this machine is, the calls are those of a quick one.
    store: createDynamoSessionStore({ client, ...tables, clock, rereadAfterMs: Number.POSITIVE_INFINITY }),
    queue: createSqsTurnQueue({
      client: sqs,
      queueUrl,
      deadLetterQueueUrl: await makeQueue('dead'),
      clock,
    }),
    state: createSessionState({
      objects: createS3ObjectStore({ client: s3, bucket: 'calls' }),
      limits: { maxWorkspaceBytes: 1e8, maxWorkspaceFiles: 1_000 },
    }),
    workplace: startWorker('first'),
    schedules,
    runner: {
      async run({ directory, request }: AgentRun) {
        await writeFile(join(directory.workspace, `${request.turnId}.txt`), request.text);
        return { status: 'ok', text: `heard ${request.text}`, demo: false };
      },
    },
    channels: new Map([['http', channel]]),
    clock,
    log: silentLog,
    timing: { leaseMs: 45_000, heartbeatMs: 12_000, checkpointEveryMs: 0 },
    retentionSec: RETENTION_SEC,
    maxAttempts: 3,
    visibilityMs: 60_000,
  };

  const say = (over: Partial<TurnRequestInput> = {}) =>
    turnRequest({
      conversation: { tenant: 'acme', channel: 'http', bot: 'main', chat: 'c', thread: null },
      dedupeId: 'm1',
      text: 'A message of ordinary length, as people send them.',
      receivedAtMs: clock.now(),
      ...over,
    });

  async function turn(over: Partial<TurnRequestInput> = {}, workplace = deps.workplace): Promise<void> {
    await acceptAndQueue(deps, say(over));
    const [delivery] = await deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: deps.visibilityMs });
    expect(delivery).toBeDefined();
    const worker = workerOf({ ...deps, workplace });
    expect(await processMessage(worker, delivery!, new AbortController().signal)).toEqual({ kind: 'done' });
  }

  function row(title: string): string {
    const { calls, perMillion } = counted.take();
    const list = [...calls].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, n]) => `${n} ${name}`);
    return `| ${title} | ${list.join(', ')} | $${perMillion.toFixed(2)} |`;
  }

  test(`${promise('ONCE-IN')} the table of AWS calls says what turns really cost`, async () => {
    const rows: string[] = [];
    counted.take();
    await turn();
    rows.push(row('First message of a conversation'));

    const another = startWorker('another');
    await turn({ dedupeId: 'm2' }, another);
    rows.push(row('Next message'));

    await turn({ dedupeId: 'm3' }, another);
    rows.push(row('Next message, on the worker that ran the last one (hot)'));

    await acceptAndQueue(deps, say({ dedupeId: 'm2' }));
    rows.push(row('The same message again, answered already'));

    await turn({ dedupeId: 'm4', kind: 'new', text: '' });
    rows.push(row('`/new`'));

    const due = { ...scheduleOf(clock.now()), nextDueMs: clock.now() + 3_600_000 };
    await schedules.add(due);
    await clock.advance(3_601_000);
    await until(() => scheduler.sent.length === 1);
    counted.take();
    counted.note('timer', PRICES.timer);
    counted.note('SendMessage', PRICES.sqs);
    const [rung] = await deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: deps.visibilityMs });
    expect(rung?.request.kind).toBe('due');
    await processMessage(workerOf(deps), rung!, new AbortController().signal);
    rows.push(row('A repeated schedule is due: until its turn is in the queue'));
    await schedules.erase(due.sessionKey);
    const [woken] = await deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: deps.visibilityMs });
    expect(woken?.request.kind).toBe('wake');
    await woken?.ack();

    const request = say({ dedupeId: 'm5' });
    await deps.queue.send(request);
    const [delivery] = await deps.queue.receive({ max: 1, waitMs: 0, visibilityMs: deps.visibilityMs });
    const begin = { request, owner: 'w', leaseMs: 45_000, newSessionId: newSessionId(), retentionSec: 60 };
    const { lease } = await deps.store.begin(begin);
    counted.take();
    await Promise.all([deps.store.renew(lease, 45_000, request.turnId), delivery!.extend(60_000)]);
    rows.push(row('Each heartbeat of a running turn (every 12 s)'));

    const said = (await readFile(DOCUMENT, 'utf8')).split('\n').filter((line) => / \| \$\d/.test(line));
    expect(said).toEqual(rows);
  });

  test('an existing session begins in one parallel round trip', async () => {
    const { sessionKey } = say();
    await deps.store.release({ ...(await currentLease()) });
    const { session_id: sessionHint } = (await deps.store.getMapping(sessionKey))!;
    const request = say({ dedupeId: 'm6', sessionHint });
    await deps.store.accept(request, 60);
    counted.take();
    // Every call is on its way before any answer is back.
    let open = 0;
    let most = 0;
    client.middlewareStack.add(
      (next) => async (args) => {
        open += 1;
        most = Math.max(most, open);
        const result = await next(args);
        open -= 1;
        return result;
      },
      { step: 'initialize', name: 'parallel' },
    );
    const begun = await deps.store.begin({
      request,
      owner: 'w2',
      leaseMs: 45_000,
      newSessionId: sessionHint,
      retentionSec: 60,
    });
    client.middlewareStack.remove('parallel');
    expect(begun.lease.sessionId).toBe(sessionHint);
    const { calls } = counted.take();
    expect(Object.fromEntries(calls)).toEqual({ GetItem: 1, UpdateItem: 2 });
    expect(most).toBe(3);
  });

  async function currentLease() {
    const { session_id: sessionId } = (await deps.store.getMapping(say().sessionKey))!;
    const head = (await deps.store.getHead('acme' as never, sessionId))!;
    return { tenant: head.tenant, sessionId, sessionKey: head.sessionKey, owner: 'w', fence: head.fence };
  }
}
