// Runs turns from the queue, one at a time. A message becomes visible again within a minute unless its turn extends
// that (UNBLOCK), also when this function cannot begin. Half a minute before the invocation must end, the turn is saved
// and queued, and the next invocation continues it (LONG). Where the agents run is the entry's choice: in this very
// function (shared-hosts.ts), or in one of their own for each session (isolated-hosts.ts).
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import type { z } from 'zod';
import { INSTALLATION_FILE } from '../aws/installation-file.ts';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { systemClock } from '../core/clock.ts';
import {
  CHECKPOINT_EVERY_SEC,
  DAY_SEC,
  LAMBDA_TIMES,
  MAX_ATTEMPTS,
  WORKSPACE_LIMITS,
} from '../core/defaults.ts';
import type { Tenant } from '../core/ids.ts';
import { errorFields, type Log } from '../core/log.ts';
import { once } from '../core/once.ts';
import type { AgentHosts, ObjectStore, ReceivedMessage, StateLimits, UsageLedger } from '../core/ports.ts';
import { processMessage, type WorkerDeps } from '../core/worker.ts';
import { US_EAST_1 } from '../cost/aws-prices.ts';
import { measuredTurn, measuredTurnUsd } from '../cost/measured-turn.ts';
import type { Usage } from '../cost/turn-cost.ts';
import { createSqsTurnQueue } from '../queues/sqs-fifo/turn-queue.ts';
import { createSessionState, type StoredState } from '../state/session-state.ts';
import { createDynamoEventLog } from '../stores/dynamodb/event-log.ts';
import { createDynamoNotes } from '../stores/dynamodb/notes.ts';
import { createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { createDynamoUsageLedger } from '../stores/dynamodb/usage-ledger.ts';
import { createS3ObjectStore } from '../stores/s3/object-store.ts';
import type { TenantDirectory } from '../tenants/directory.ts';
import { announcingBy } from './announcing.ts';
import { channelOpener, openChannels, readChannels } from './channels.ts';
import { readConfiguration, workerSchema } from './configuration.ts';
import { giveBack } from './not-ready.ts';
import { createObservability } from './observability.ts';
import { readParameters } from './parameters.ts';
import { createTenantStores, type TenantKeys } from './tenant-stores.ts';
import { openTenants, withTenantBots } from './tenants.ts';

/** Time to end the agent, write the checkpoint and upload it. */
const MARGIN_MS = 30_000;

export type QueueHandler = (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;

/** Where the agents of a worker run. */
export interface WorkerHosts {
  /** How the function that runs agents is built, for what a turn cost; null where that is not known. */
  readonly built: Pick<Usage, 'agents' | 'memoryMb'> | null;
  /** Names of the parameters that it needs. */
  readonly parameters: readonly string[];
  open(parts: {
    readonly objects: ObjectStore;
    readonly state: StoredState;
    readonly limits: StateLimits;
    readonly secrets: ReadonlyMap<string, string>;
    readonly usage: UsageLedger;
    /** What opens a tenant's items and objects; null where the function's own role does. */
    readonly keysOf: ((tenant: Tenant) => TenantKeys) | null;
    /** What the registry knows of a tenant; null where there is no registry. */
    readonly recordOf: TenantDirectory['of'] | null;
  }): Promise<AgentHosts>;
  /** Before the function answers: then everything in it stands still until the next message, which may be another's. */
  settle(): Promise<void>;
}

export function createWorker(
  channels: readonly ChannelDescriptor[],
  chooseHosts: (parts: { readonly log: Log; readonly flush: () => void }) => WorkerHosts,
): QueueHandler {
  const configuration = readConfiguration(workerSchema, process.env);
  const deployed = readChannels(channels, 'outgoing', process.env);
  const { log, flush } = createObservability(configuration);
  const hosts = chooseHosts({ log, flush });
  const shutdown = new AbortController();
  process.once('SIGTERM', () => shutdown.abort());

  const { mappingTable, stateTable, queueUrl, deadLetterQueueUrl } = configuration;
  const tables = { mappingTable, stateTable, clock: systemClock };
  const retentionSec = configuration.retentionDays * DAY_SEC;
  const tenants = openTenants(configuration, deployed, log);
  const limits = { ...WORKSPACE_LIMITS, maxWorkspaceBytes: configuration.maxWorkspaceBytes };
  const apart = tenantStores(
    configuration,
    limits,
    retentionSec,
    tenants?.directory.of ?? (async () => null),
  );
  const events = apart?.events ?? createDynamoEventLog({ ...tables, retentionSec });
  const notes = createDynamoNotes({ stateTable });
  const shared = { events, notes, log };
  const queue = createSqsTurnQueue({ queueUrl, deadLetterQueueUrl });

  const open = once(async (): Promise<WorkerDeps> => {
    const { bucket, temporary } = configuration;
    const names = deployed.flatMap(({ parameters }) => parameters);
    const secrets = await readParameters([...names, ...hosts.parameters]);
    const objects = apart?.objects ?? createS3ObjectStore({ bucket });
    const store = createDynamoSessionStore(tables);
    const state =
      apart?.state ?? createSessionState({ objects, limits, temporaryDirectory: temporary, heads: store });
    const usage = apart?.usage ?? createDynamoUsageLedger(tables);
    return {
      store,
      queue,
      state,
      objects,
      hosts: await hosts.open({
        objects,
        state,
        limits,
        secrets,
        usage,
        keysOf: apart?.of ?? null,
        recordOf: tenants?.directory.of ?? null,
      }),
      channels: withTenantBots(tenants, channels, await openChannels(deployed, secrets, shared), shared),
      usage,
      ...infraOf(hosts.built),
      ...announcingBy(configuration, log),
      ...(apart && { storesFor: apart.of }),
      commands: configuration.commands,
      pullOptions: `--aws ${INSTALLATION_FILE}`,
      ...(tenants && { standing: tenants.directory.standing, recordOf: tenants.directory.of }),
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
        giveBack({ deliveries: messages, error, log, openChannel: channelOpener(deployed, shared) }),
      );
      if (!deps) return batch.response();
      // In order, one at a time.
      for (const group of batch.groups) {
        for (const message of group) {
          const outcome = await processMessage(deps, message, deadline);
          if (outcome.kind === 'retry') break;
        }
      }
      return batch.response();
    } finally {
      clearTimeout(timer);
      await hosts.settle();
      flush();
    }
  };
}

/** null where one role serves everybody. */
function tenantStores(
  { tenantRole, mappingTable, stateTable, bucket, temporary }: z.infer<typeof workerSchema>,
  limits: StateLimits,
  retentionSec: number,
  recordOf: TenantDirectory['of'],
) {
  if (tenantRole === undefined) return null;
  const tables = { mappingTable, stateTable, retentionSec };
  return createTenantStores({ ...tables, roleArn: tenantRole, bucket, temporary, limits, recordOf });
}

function infraOf(built: WorkerHosts['built']): Pick<WorkerDeps, 'infraUsdOf'> {
  if (!built) return {};
  return { infraUsdOf: (timeline) => measuredTurnUsd(measuredTurn(timeline), built, US_EAST_1) };
}

/** From the queue's visibility, which must be longer than this function may run, to a minute from now. */
async function shorten(message: ReceivedMessage, log: Log): Promise<void> {
  try {
    await message.extend(LAMBDA_TIMES.visibilityMs);
  } catch (error) {
    log('warn', 'visibility-not-shortened', { turn: message.request.turnId, ...errorFields(error) });
  }
}
