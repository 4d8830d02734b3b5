// Runs turns from the queue, one at a time. A message becomes visible again within a minute unless its turn extends
// that (UNBLOCK), also when this function cannot begin. Half a minute before the invocation must end, the turn is saved
// and queued, and the next invocation continues it (LONG). The agent folder is in the image. The session is restored
// into the temporary folder, and its files stay there only for the next turn of the same session.
import { delimiter, dirname, join } from 'node:path';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { loadAgentFolder } from '../agent/agent-folder.ts';
import { SAFE_PATH } from '../agent/environment.ts';
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
import { createDirectHosts } from '../host/direct-hosts.ts';
import { createSqsTurnQueue } from '../queues/sqs-fifo/turn-queue.ts';
import { createSessionState } from '../state/session-state.ts';
import { createDynamoEventLog } from '../stores/dynamodb/event-log.ts';
import { createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { createS3ObjectStore } from '../stores/s3/object-store.ts';
import { channelOpener, openChannels, readChannels } from './channels.ts';
import { readConfiguration, workerSchema } from './configuration.ts';
import { readModelChoice } from './model.ts';
import { giveBack } from './not-ready.ts';
import { createObservability } from './observability.ts';
import { isOpenToOthers, takeOtherProcesses } from './other-processes.ts';
import { readParameters } from './parameters.ts';
import { createTemporaryWorkplace } from './temporary-workplace.ts';

/** Time to end the agent, write the checkpoint and upload it. */
const MARGIN_MS = 30_000;

export type QueueHandler = (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;

export function createWorker(channels: readonly ChannelDescriptor[]): QueueHandler {
  const configuration = readConfiguration(workerSchema, process.env);
  const deployed = readChannels(channels, 'outgoing', process.env);
  const { log, flush } = createObservability(configuration);
  const endOthers = watchUser(log, flush);
  const taskRoot = process.env.LAMBDA_TASK_ROOT ?? import.meta.dirname;
  const shutdown = new AbortController();
  process.once('SIGTERM', () => shutdown.abort());

  const { mappingTable, stateTable, queueUrl, deadLetterQueueUrl } = configuration;
  const tables = { mappingTable, stateTable, clock: systemClock };
  const events = createDynamoEventLog(tables);
  const queue = createSqsTurnQueue({ queueUrl, deadLetterQueueUrl });

  const open = once(async (): Promise<WorkerDeps> => {
    const { bucket, temporary, modelKeyParameter } = configuration;
    const names = deployed.flatMap(({ parameters }) => parameters);
    const [secrets, folder] = await Promise.all([
      readParameters(modelKeyParameter === undefined ? names : [...names, modelKeyParameter]),
      loadAgentFolder(join(taskRoot, 'agent')),
    ]);
    const state = createSessionState({
      objects: createS3ObjectStore({ bucket }),
      limits: { ...WORKSPACE_LIMITS, maxWorkspaceBytes: configuration.maxWorkspaceBytes },
      temporaryDirectory: temporary,
    });
    return {
      store: createDynamoSessionStore(tables),
      queue,
      state,
      hosts: createDirectHosts({
        state,
        workplace: createTemporaryWorkplace(temporary, {
          keepSession: configuration.keepSession,
          ...(endOthers ? { endOthers } : {}),
        }),
        runner: createAgentRunner({
          folder,
          model: await readModelChoice(configuration, secrets.get(modelKeyParameter ?? '')),
          sandbox: { kind: 'none', reason: 'Lambda allows no user namespaces' },
          // The agent's Node is the copy in the task folder: programs may want to read their own.
          path: [join(taskRoot, 'bin'), dirname(process.execPath), SAFE_PATH].join(delimiter),
          log,
        }),
        clock: systemClock,
        log,
      }),
      channels: await openChannels(deployed, secrets, { events, log }),
      clock: systemClock,
      log,
      timing: { ...LAMBDA_TIMES, checkpointEveryMs: CHECKPOINT_EVERY_SEC * 1000 },
      retentionSec: configuration.retentionDays * DAY_SEC,
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
      await endOthers?.();
      flush();
    }
  };
}

/**
 * null where other processes of this user are not ours to end. A process that survives ends this one: Lambda then begins
 * with a new environment, and the messages come again, which the ledger knows.
 */
function watchUser(log: Log, flush: () => void): (() => Promise<void>) | null {
  const others = takeOtherProcesses(process.env);
  if (others.kind === 'not-ours') {
    if (others.fault) log('error', 'worker-exposed', { alarm: true, reason: others.fault });
    return null;
  }
  if (isOpenToOthers()) log('error', 'worker-exposed', { alarm: true, reason: 'others can read it' });
  return async () => {
    try {
      await others.end();
    } catch (error) {
      log('error', 'process-survived', { alarm: true, ...errorFields(error) });
      flush();
      process.exit(1);
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
