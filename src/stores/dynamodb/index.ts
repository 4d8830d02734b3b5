// Everything needed to keep sessions and events in DynamoDB: the store, the event log, and the two tables to create.
import '../../node-version.ts';

export { createDynamoEventLog, type DynamoEventLogOptions } from './event-log.ts';
export { createDynamoNotes, type DynamoNotesOptions } from './notes.ts';
export { createDynamoPlaces, type DynamoPlacesOptions } from './places.ts';
export { createDynamoSchedules, type DynamoSchedulesOptions } from './schedules.ts';
export {
  createDynamoClient,
  createDynamoSessionStore,
  type DynamoConnection,
  type DynamoSessionStoreOptions,
} from './session-store.ts';
export { createTableInput, type TableDefinition, type TableIndex, tableDefinitions } from './tables.ts';
export { createDynamoTenantRegistry, type DynamoTenantRegistryOptions } from './tenant-registry.ts';
export { createDynamoUsageLedger, type DynamoUsageLedgerOptions } from './usage-ledger.ts';
export { createDynamoWebhooks, type DynamoWebhooksOptions } from './webhooks.ts';
