// The HTTP API and the web page behind a function URL that streams. The turn itself runs in the worker, which takes it
// from the queue. This function streams what it reads from the event log: the order is kept, a lost connection loses
// nothing, and waiting needs a fraction of the worker's memory (design/lambda.md). Every route requires the key, except
// the page, its parts and /healthz.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Context, LambdaFunctionURLEvent } from 'aws-lambda';
import { createApp } from '../../api/app.ts';
import { servePageFrom } from '../../api/static.ts';
import { systemClock } from '../../core/clock.ts';
import { DAY_SEC } from '../../core/defaults.ts';
import { once } from '../../core/once.ts';
import { createSqsTurnQueue } from '../../queues/sqs-fifo/turn-queue.ts';
import { createSqsWebhookWakes } from '../../queues/sqs-fifo/webhook-wakes.ts';
import { createSessionState } from '../../state/session-state.ts';
import { createWorkspaceReader } from '../../state/workspace-reader.ts';
import { createDynamoEventLog } from '../../stores/dynamodb/event-log.ts';
import { createDynamoPlaces } from '../../stores/dynamodb/places.ts';
import { createDynamoSchedules } from '../../stores/dynamodb/schedules.ts';
import { createDynamoSessionStore } from '../../stores/dynamodb/session-store.ts';
import { createDynamoTenantRegistry } from '../../stores/dynamodb/tenant-registry.ts';
import { createDynamoUsageLedger } from '../../stores/dynamodb/usage-ledger.ts';
import { createDynamoWebhooks } from '../../stores/dynamodb/webhooks.ts';
import { withTimers } from '../../stores/timed-schedules.ts';
import { createTenantDirectory } from '../../tenants/directory.ts';
import { createSecretReader } from '../../tenants/secrets.ts';
import { createCallers } from '../../tenants/user-tokens.ts';
import { readTriggers, TRIGGERS_FILE } from '../../triggers/written-triggers.ts';
import { webhookAddresses } from '../../webhooks/webhook-address.ts';
import { admissionOf } from '../admission.ts';
import { apiSchema, readConfiguration } from '../configuration.ts';
import { type ResponseStreams, requestOf, streamAnswer } from '../function-url.ts';
import { bucketOrigin, openObjectAccess } from '../object-access.ts';
import { createObservability, noteRefusal } from '../observability.ts';
import { createParameterKeys } from '../parameter-keys.ts';
import { readParameters } from '../parameters.ts';
import { timersOf } from '../timers.ts';

declare const awslambda: {
  streamifyResponse<E>(
    handler: (event: E, stream: Writable, context: Context) => Promise<void>,
  ): (event: E, context: Context) => Promise<void>;
  readonly HttpResponseStream: ResponseStreams;
};

/** A stream ends this long before the time-out, so that its last events are sent. Clients resume by Last-Event-ID. */
const MARGIN_MS = 10_000;

const configuration = readConfiguration(apiSchema, process.env);
const { log, flush } = createObservability(configuration);
const files = process.env.LAMBDA_TASK_ROOT ?? import.meta.dirname;

const open = once(async () => {
  const { mappingTable, stateTable, queueUrl, apiKeyParameter, bucket, modelProvider } = configuration;
  const { webhookQueueUrl, webhooks } = configuration;
  const tables = { mappingTable, stateTable, clock: systemClock };
  const directory = configuration.tenants
    ? createTenantDirectory(createDynamoTenantRegistry(tables), systemClock)
    : null;
  const secretReader = createSecretReader({
    variable: () => undefined,
    parameters: readParameters,
    files: false,
    clock: systemClock,
  });
  const retentionSec = configuration.retentionDays * DAY_SEC;
  const { info, openapi } = JSON.parse(readFileSync(join(files, 'api.json'), 'utf8'));
  const store = createDynamoSessionStore(tables);
  const { objects, transfers } = openObjectAccess({
    bucket,
    tenantRole: configuration.tenantRole,
    recordOf: directory?.of ?? (async () => null),
  });
  return createApp({
    store,
    queue: createSqsTurnQueue({ queueUrl, deadLetterQueueUrl: queueUrl }),
    events: createDynamoEventLog({
      ...tables,
      retentionSec,
      ...(directory && { retentionOf: directory.retentionOf }),
    }),
    state: createSessionState({
      objects,
      limits: { maxWorkspaceBytes: 0, maxWorkspaceFiles: 0 },
      heads: store,
    }),
    objects,
    transfers,
    workspace: createWorkspaceReader({ objects }),
    admit: admissionOf(configuration, directory),
    ...(directory && {
      standing: directory.standing,
      retentionOf: directory.retentionOf,
    }),
    ownerOf: createCallers({
      users: configuration.browsers.users,
      directory,
      secrets: secretReader,
    }),
    origins: configuration.browsers.origins,
    whileRunning: configuration.whileRunning,
    usage: createDynamoUsageLedger(tables),
    places: createDynamoPlaces(tables),
    schedules: withTimers(createDynamoSchedules(tables), timersOf(configuration)),
    timeZone: configuration.timeZone,
    ...(webhookQueueUrl !== undefined && {
      webhooks: createDynamoWebhooks(tables),
      webhookWakes: createSqsWebhookWakes({ queueUrl: webhookQueueUrl }),
      webhookFaultOf: webhookAddresses(webhooks.privateAddresses).faultOf,
    }),
    triggers: {
      list: await readTriggers(join(files, TRIGGERS_FILE)),
      secret: (reference) => secretReader.read(reference),
    },
    clock: systemClock,
    log,
    info: {
      ...info,
      model: {
        demo: modelProvider === 'demo',
        name: configuration.model ?? (modelProvider === 'demo' ? 'demo' : 'Claude'),
      },
      sandbox: 'none',
      workers: configuration.maxConcurrency,
    },
    retentionSec,
    apiKeys: createParameterKeys(secretReader, apiKeyParameter),
    knownHosts: null,
    openapi,
    page: servePageFrom(join(files, 'web'), [bucketOrigin(bucket, process.env.AWS_REGION)]),
  });
});

export const handler = awslambda.streamifyResponse<LambdaFunctionURLEvent>(async (event, stream, context) => {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), context.getRemainingTimeInMillis() - MARGIN_MS);
  try {
    const app = await open();
    const request = new Request(requestOf(event), { signal: ending.signal });
    const response = await app.fetch(request);
    noteRefusal(response, log);
    await streamAnswer(response, stream, awslambda.HttpResponseStream);
  } finally {
    clearTimeout(timer);
    flush();
  }
});
