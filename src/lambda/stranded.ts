// Gives up turns that SQS moved here because no worker could run them: the worker crashed at its start, or could not
// reach the store, again and again. It uses the worker's own code for giving up: one honest message, committed to the
// ledger under a fence and sent once. The message is then put into the dead letters for a person to look at. It runs
// from the small ZIP, because the image or the agent may be what is broken.
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { systemClock } from '../core/clock.ts';
import { DAY_SEC, STRANDED_TIMES } from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import { once } from '../core/once.ts';
import { processMessage, type WorkerDeps } from '../core/worker.ts';
import { createSqsTurnQueue } from '../queues/sqs-fifo/turn-queue.ts';
import { createDynamoEventLog } from '../stores/dynamodb/event-log.ts';
import { createDynamoNotes } from '../stores/dynamodb/notes.ts';
import { createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { announcingBy } from './announcing.ts';
import { channelOpener, openChannels, readChannels } from './channels.ts';
import { readConfiguration, strandedSchema } from './configuration.ts';
import { giveBack } from './not-ready.ts';
import { createObservability } from './observability.ts';
import { readParameters } from './parameters.ts';
import { openTenants, withTenantBots } from './tenants.ts';

const noAgent = async (): Promise<never> => {
  throw new Invalid('no-agent-here', 'This function gives turns up; it runs none.');
};

/** Nothing of it is asked for a turn that is given up or delivered. */
const noState: WorkerDeps['state'] = {
  compact: async () => null,
  collect: noAgent,
  branch: noAgent,
  undoable: () => [],
  undo: () => null,
  redo: () => null,
  isBlank: () => false,
  awayOf: () => null,
  claim: () => null,
  agentSessionOf: ({ sessionId }) => sessionId,
};

export function createStranded(
  channels: readonly ChannelDescriptor[],
): (event: SQSEvent) => Promise<SQSBatchResponse> {
  const configuration = readConfiguration(strandedSchema, process.env);
  const deployed = readChannels(channels, 'outgoing', process.env);
  const { log, flush } = createObservability(configuration);

  const { mappingTable, stateTable, queueUrl, deadLetterQueueUrl } = configuration;
  const tables = { mappingTable, stateTable, clock: systemClock };
  const retentionSec = configuration.retentionDays * DAY_SEC;
  const tenants = openTenants(configuration, deployed, log);
  const events = createDynamoEventLog({
    ...tables,
    retentionSec,
    ...(tenants && { retentionOf: tenants.directory.retentionOf }),
  });
  const notes = createDynamoNotes({ stateTable });
  const shared = { events, notes, log };
  const queue = createSqsTurnQueue({ queueUrl, deadLetterQueueUrl });

  const open = once(async (): Promise<WorkerDeps> => {
    const secrets = await readParameters(deployed.flatMap(({ parameters }) => parameters));
    return {
      store: createDynamoSessionStore(tables),
      ...announcingBy(configuration, log),
      queue,
      state: noState,
      hosts: { open: noAgent },
      channels: withTenantBots(tenants, channels, await openChannels(deployed, secrets, shared), shared),
      ...(tenants && { standing: tenants.directory.standing, recordOf: tenants.directory.of }),
      clock: systemClock,
      log,
      timing: { ...STRANDED_TIMES, checkpointEveryMs: 0 },
      retentionSec,
      // No attempt is left: an uncommitted turn is given up, a committed turn is delivered.
      maxAttempts: 0,
      visibilityMs: STRANDED_TIMES.visibilityMs,
    };
  });

  return async (event) => {
    try {
      const batch = await queue.messagesOf(event);
      const deliveries = batch.groups.flat();
      const deps = await open().catch((error: unknown) =>
        giveBack({ deliveries, error, log, openChannel: channelOpener(deployed, shared) }),
      );
      if (!deps) return batch.response();
      for (const group of batch.groups) {
        for (const message of group) {
          const outcome = await processMessage(deps, message, new AbortController().signal);
          if (outcome.kind === 'retry') break;
        }
      }
      return batch.response();
    } finally {
      flush();
    }
  };
}
