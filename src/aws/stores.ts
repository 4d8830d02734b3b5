// Opens the ports of an installation on AWS for programs outside it: commands that inspect or repair stored data, and
// back-ends that send messages. It is a separate module because it loads the AWS SDK.
import { systemClock } from '../core/clock.ts';
import { DAY_SEC, KEPT_GENERATIONS, WORKSPACE_LIMITS } from '../core/defaults.ts';
import { Invalid } from '../core/errors.ts';
import type { Tenant } from '../core/ids.ts';
import type { ScheduleTimers, Vault, WebhookWakes } from '../core/ports.ts';
import type { Stores } from '../local/stores.ts';
import { createSqsTurnQueue } from '../queues/sqs-fifo/turn-queue.ts';
import { createSqsWebhookWakes } from '../queues/sqs-fifo/webhook-wakes.ts';
import type { Progress } from '../state/progress.ts';
import { createSessionState } from '../state/session-state.ts';
import { createDynamoEventLog } from '../stores/dynamodb/event-log.ts';
import { createDynamoTenantHoldings } from '../stores/dynamodb/holdings.ts';
import { createDynamoPlaces } from '../stores/dynamodb/places.ts';
import { createDynamoSchedules } from '../stores/dynamodb/schedules.ts';
import { createDynamoClient, createDynamoSessionStore } from '../stores/dynamodb/session-store.ts';
import { createDynamoTenantRegistry } from '../stores/dynamodb/tenant-registry.ts';
import { createDynamoUsageLedger } from '../stores/dynamodb/usage-ledger.ts';
import { createDynamoWebhooks } from '../stores/dynamodb/webhooks.ts';
import { createEventBridgeTimers } from '../stores/eventbridge/timers.ts';
import { createS3ObjectStore } from '../stores/s3/object-store.ts';
import { createSsmClient, createSsmVault } from '../stores/ssm/vault.ts';
import { withTimers } from '../stores/timed-schedules.ts';
import { type AwsInstallation, checkInstallation, readInstallation } from './installation.ts';

export async function openAwsStores(
  installation: string | AwsInstallation,
  { progress }: { readonly progress?: Progress },
): Promise<Stores> {
  const known =
    typeof installation === 'string'
      ? readInstallation(installation)
      : checkInstallation(installation, 'aws');
  const { region, mappingTable, stateTable, bucket, endpoints, ...rest } = known;
  const { queueUrl, deadLetterQueueUrl, retentionDays } = rest;
  const at = (endpoint: string | undefined) => ({ region, ...(endpoint !== undefined && { endpoint }) });
  const client = createDynamoClient(at(endpoints.dynamodb));
  const tables = { client, mappingTable, stateTable, clock: systemClock };
  const store = createDynamoSessionStore(tables);
  const events = createDynamoEventLog({ ...tables, retentionSec: retentionDays * DAY_SEC });
  const queue = createSqsTurnQueue({ ...at(endpoints.sqs), queueUrl, deadLetterQueueUrl });
  const objects = createS3ObjectStore({
    ...at(endpoints.s3),
    bucket,
    // Most servers other than Amazon's have no host name per bucket.
    forcePathStyle: endpoints.s3 !== undefined,
  });
  const tenants = createDynamoTenantRegistry(tables);
  const timers = timersAt(known, at(endpoints.scheduler));
  const schedules = withTimers(createDynamoSchedules(tables), timers);
  return {
    vault: vaultAt(
      known.vault,
      at(endpoints.ssm),
      async (tenant) => (await tenants.get(tenant))?.settings.kmsKey ?? null,
    ),
    retentionSec: retentionDays * DAY_SEC,
    keepGenerations: KEPT_GENERATIONS,
    store,
    queue,
    events,
    objects,
    tenants,
    holdings: createDynamoTenantHoldings(tables),
    usage: createDynamoUsageLedger(tables),
    places: createDynamoPlaces(tables),
    schedules,
    webhooks: createDynamoWebhooks(tables),
    webhookWakes: wakesAt(rest.webhookQueueUrl, at(endpoints.sqs)),
    state: createSessionState({
      objects,
      // The worker applies its own limit, which depends on the size of its disk.
      limits: WORKSPACE_LIMITS,
      keepGenerations: KEPT_GENERATIONS,
      heads: store,
      ...(progress && { progress }),
    }),
    async close() {
      await timers.close();
      await queue.close();
      await store.close();
      client.destroy();
    },
  };
}

function wakesAt(
  queueUrl: string | undefined,
  at: { readonly region: string; readonly endpoint?: string },
): WebhookWakes {
  if (queueUrl !== undefined) return createSqsWebhookWakes({ queueUrl, ...at });
  return {
    wake: async () => {
      throw new Invalid('no-webhooks', 'The file of this installation does not say where its webhooks are.', {
        advice:
          'Run `hybrid-sessions deploy` again: it brings the installation up to date and writes the file.',
      });
    },
  };
}

function vaultAt(
  prefix: string | undefined,
  at: { readonly region: string; readonly endpoint?: string },
  keyOf: (tenant: Tenant) => Promise<string | null>,
): Vault {
  if (prefix !== undefined) return createSsmVault({ prefix, client: createSsmClient(at), keyOf });
  const none = async (): Promise<never> => {
    throw new Invalid('no-vault', 'The file of this installation does not say where its credentials are.', {
      advice:
        'Run `hybrid-sessions deploy` again: it brings the installation up to date and writes the file.',
    });
  };
  return { get: none, set: none, add: none, remove: none, list: none };
}

function timersAt(
  { timerGroup, timerRole, timerQueue }: ReturnType<typeof readInstallation>,
  at: { readonly region: string; readonly endpoint?: string },
): ScheduleTimers {
  if (timerGroup !== undefined && timerRole !== undefined && timerQueue !== undefined) {
    return createEventBridgeTimers({
      groupName: timerGroup,
      roleArn: timerRole,
      queueArn: timerQueue,
      ...at,
    });
  }
  // Of an installation that never had a schedule there is nothing to clear.
  const nothing = async () => {};
  return {
    async set() {
      throw new Invalid('no-timers', 'The file of this installation does not say where its timers are.', {
        advice:
          'Run `hybrid-sessions deploy` again: it brings the installation up to date and writes the file.',
      });
    },
    clear: nothing,
    clearAll: nothing,
    close: nothing,
  };
}
