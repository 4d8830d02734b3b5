// Opens the ports of a local system over its data folder: SQLite for sessions, queue and events, a folder for objects.
// Several processes may have the same data folder open.
import { existsSync } from 'node:fs';
import { systemClock } from '../core/clock.ts';
import { Gone } from '../core/errors.ts';
import type {
  ChannelNotes,
  EventLog,
  ObjectStore,
  Places,
  ScheduleStore,
  SessionStore,
  TenantHoldings,
  TenantRegistry,
  TurnQueue,
  UsageLedger,
  Vault,
  WebhookStore,
  WebhookWakes,
} from '../core/ports.ts';
import { createSqliteTurnQueue } from '../queues/sqlite/turn-queue.ts';
import type { Progress } from '../state/progress.ts';
import { createSessionState, type StoredState } from '../state/session-state.ts';
import { createFilesystemObjectStore } from '../stores/filesystem/object-store.ts';
import { createSqliteTenantHoldings } from '../stores/sqlite/holdings.ts';
import {
  createSqliteEventLog,
  createSqliteNotes,
  createSqlitePlaces,
  createSqliteSchedules,
  createSqliteSessionStore,
  createSqliteTenantRegistry,
  createSqliteUsageLedger,
  createSqliteWebhooks,
  openDatabase,
} from '../stores/sqlite/index.ts';
import type { Configuration } from './configuration.ts';
import { type DataFolder, dataFolder, openDataFolder } from './data-folder.ts';
import { openVault } from './vault.ts';

/** The ports of one system, local or on AWS, and how long and how much it keeps. */
export interface Stores {
  readonly retentionSec: number;
  readonly keepGenerations: number;
  readonly store: SessionStore;
  readonly queue: TurnQueue;
  readonly events: EventLog;
  readonly objects: ObjectStore;
  readonly state: StoredState;
  readonly tenants: TenantRegistry;
  readonly holdings: TenantHoldings;
  readonly usage: UsageLedger;
  readonly places: Places;
  readonly schedules: ScheduleStore;
  readonly vault: Vault;
  readonly webhooks: WebhookStore;
  /** Where no clock of ours sees what is due. */
  readonly webhookWakes?: WebhookWakes;
  close(): Promise<void>;
}

export interface LocalStores extends Stores {
  /** What workers of a channel share. */
  readonly notes: ChannelNotes;
  readonly folder: DataFolder;
}

export interface OpenOptions {
  /** false: the folder must exist already and is not created. */
  readonly create: boolean;
  readonly progress?: Progress;
}

export async function openStores(
  configuration: Pick<Configuration, 'dataDir' | 'limits' | 'keepGenerations' | 'retentionSec'> &
    Partial<Pick<Configuration, 'vaultKey'>>,
  { create, progress }: OpenOptions,
): Promise<LocalStores> {
  const folder = create ? await openDataFolder(configuration.dataDir) : dataFolder(configuration.dataDir);
  if (!create && !existsSync(folder.database)) {
    throw new Gone('no-data', `There is no data folder at ${folder.path}.`, {
      advice: 'Run this where `hybrid-sessions start` runs, or name the folder with --data.',
    });
  }
  const database = openDatabase(folder.database);
  const clock = systemClock;
  const store = createSqliteSessionStore({ database, clock });
  const queue = createSqliteTurnQueue({ database, clock });
  // Given the path, it opens its own connection: progress events do not wait until the disk has them.
  const usage = createSqliteUsageLedger({ database: folder.database, clock });
  const places = createSqlitePlaces({ database: folder.database, clock });
  const notes = createSqliteNotes({ database: folder.database, clock });
  const { retentionSec, keepGenerations, limits } = configuration;
  // Kept as long as the turns: they hold the tool calls that the page shows with a reply.
  const keepMs = retentionSec * 1_000;
  const events = createSqliteEventLog({ database: folder.database, clock, keepMs });
  const objects = createFilesystemObjectStore({ root: folder.objects });
  return {
    folder,
    usage,
    places,
    notes,
    schedules: createSqliteSchedules({ database, clock }),
    webhooks: createSqliteWebhooks({ database, clock }),
    vault: openVault(folder.path, configuration.vaultKey ?? null),
    retentionSec,
    keepGenerations,
    store,
    queue,
    events,
    objects,
    tenants: createSqliteTenantRegistry({ database, clock }),
    holdings: createSqliteTenantHoldings(database),
    state: createSessionState({
      objects,
      limits,
      keepGenerations,
      heads: store,
      ...(progress && { progress }),
    }),
    async close() {
      await queue.close();
      await events.close();
      await usage.close();
      await places.close();
      await notes.close();
      await store.close();
      database.close();
    },
  };
}
