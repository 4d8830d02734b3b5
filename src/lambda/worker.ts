// Runs turns from the queue, one at a time. A message becomes visible again within a minute unless its turn extends
// that (UNBLOCK), also when this function cannot begin. Half a minute before the invocation must end, the turn is saved
// and queued, and the next invocation continues it (LONG). The agent folder is in the image. The session is restored
// into the temporary folder, and its files stay there only for the next turn of the same session.
import { join } from 'node:path';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { loadAgentFolder } from '../agent/agent-folder.ts';
import { upstreamOf } from '../agent/model-access.ts';
import { createAgentRunner } from '../agent/runner.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { systemClock } from '../core/clock.ts';
import {
  CHECKPOINT_EVERY_SEC,
  DAY_SEC,
  LAMBDA_TIMES,
  MAX_ATTEMPTS,
  WORKSPACE_LIMITS,
} from '../core/defaults.ts';
import { errorFields, type Log } from '../core/log.ts';
import { once } from '../core/once.ts';
import type { ReceivedMessage } from '../core/ports.ts';
import { processMessage, type WorkerDeps } from '../core/worker.ts';
import { createModelGateway } from '../gateway/model-gateway.ts';
import { createDirectHosts } from '../host/direct-hosts.ts';
import { createSqsTurnQueue } from '../queues/sqs-fifo/turn-queue.ts';
import { createSessionState } from '../state/session-state.ts';
import { createDynamoEventLog } from '../stores/dynamodb/event-log.ts';
import { createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { createDynamoUsageLedger } from '../stores/dynamodb/usage-ledger.ts';
import { createS3ObjectStore } from '../stores/s3/object-store.ts';
import { channelOpener, openChannels, readChannels } from './channels.ts';
import { readConfiguration, workerSchema } from './configuration.ts';
import { readModelChoice } from './model.ts';
import { giveBack } from './not-ready.ts';
import { createObservability } from './observability.ts';
import { readParameters } from './parameters.ts';
import { createTemporaryWorkplace } from './temporary-workplace.ts';

/** Time to end the agent, write the checkpoint and upload it. */
const MARGIN_MS = 30_000;

export type QueueHandler = (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;

export function createWorker(channels: readonly ChannelDescriptor[]): QueueHandler {
  const configuration = readConfiguration(workerSchema, process.env);
  const deployed = readChannels(channels, 'outgoing', process.env);
  const { log, flush } = createObservability(configuration);
  const shutdown = new AbortController();
  process.once('SIGTERM', () => shutdown.abort());

  const { mappingTable, stateTable, queueUrl, deadLetterQueueUrl } = configuration;
  const tables = { mappingTable, stateTable, clock: systemClock };
  const retentionSec = configuration.retentionDays * DAY_SEC;
  const events = createDynamoEventLog({ ...tables, retentionSec });
  const queue = createSqsTurnQueue({ queueUrl, deadLetterQueueUrl });

  const open = once(async (): Promise<WorkerDeps> => {
    const { bucket, temporary, modelKeyParameter } = configuration;
    const names = deployed.flatMap(({ parameters }) => parameters);
    const [secrets, folder] = await Promise.all([
      readParameters(modelKeyParameter === undefined ? names : [...names, modelKeyParameter]),
      loadAgentFolder(join(process.env.LAMBDA_TASK_ROOT ?? import.meta.dirname, 'agent')),
    ]);
    const state = createSessionState({
      objects: createS3ObjectStore({ bucket }),
      limits: { ...WORKSPACE_LIMITS, maxWorkspaceBytes: configuration.maxWorkspaceBytes },
      temporaryDirectory: temporary,
    });
    const modelKey = secrets.get(modelKeyParameter ?? '');
    const model = await readModelChoice(configuration, modelKey, process.env.AWS_REGION);
    const usage = createDynamoUsageLedger(tables);
    return {
      store: createDynamoSessionStore(tables),
      queue,
      state,
      hosts: createDirectHosts({
        state,
        workplace: createTemporaryWorkplace(temporary, { keepSession: configuration.keepSession }),
        runner: createAgentRunner({
          folder,
          model,
          gateway: await createModelGateway({ upstream: upstreamOf(model), usage, log }),
          budgets: configuration.budgets,
          sandbox: { kind: 'none', reason: 'Lambda allows no user namespaces', accepted: true },
          log,
        }),
        clock: systemClock,
        log,
      }),
      channels: await openChannels(deployed, secrets, { events, log }),
      clock: systemClock,
      log,
      timing: { ...LAMBDA_TIMES, checkpointEveryMs: CHECKPOINT_EVERY_SEC * 1000 },
      retentionSec,
      maxAttempts: MAX_ATTEMPTS,
      visibilityMs: LAMBDA_TIMES.visibilityMs,
    };
  });

  return async (event, context) => {
    const ending = new AbortController();
    const timer = setTimeout(
      () => ending.abort(),
      Math.max(0, context.getRemainingTimeInMillis() - MARGIN_MS),
    );
    const deadline = AbortSignal.any([ending.signal, shutdown.signal]);
    try {
      const batch = await queue.messagesOf(event);
      const messages = batch.groups.flat();
      // Before anything that may fail or take its time.
      await Promise.all(messages.map((message) => shorten(message, log)));
      const deps = await open().catch((error: unknown) =>
        giveBack({ deliveries: messages, error, log, openChannel: channelOpener(deployed, { events, log }) }),
      );
      if (!deps) return batch.response();
      // In order, one at a time: the workplace holds one session.
      for (const group of batch.groups) {
        for (const message of group) {
          const outcome = await processMessage(deps, message, deadline);
          if (outcome.kind === 'retry') break;
        }
      }
      return batch.response();
    } finally {
      clearTimeout(timer);
      flush();
    }
  };
}

/** From the queue's visibility, which must be longer than this function may run, to a minute from now. */
async function shorten(message: ReceivedMessage, log: Log): Promise<void> {
  try {
    await message.extend(LAMBDA_TIMES.visibilityMs);
  } catch (error) {
    log('warn', 'visibility-not-shortened', { turn: message.request.turnId, ...errorFields(error) });
  }
}
