// Stores in this process's memory: for tests, and the reference model of the ports, written to be obviously right.
// Nothing survives the process. Every method runs to its end without yielding, so each is atomic by itself.
import '../../node-version.ts';

export { createMemoryEventLog, type MemoryEventLogOptions } from './event-log.ts';
export { createMemoryNotes } from './notes.ts';
export { createMemoryObjectStore } from './object-store.ts';
export { createMemoryPlaces } from './places.ts';
export { createMemorySchedules } from './schedules.ts';
export { createMemorySessionStore, type MemorySessionStoreOptions } from './session-store.ts';
export { createMemoryTenantRegistry, type MemoryTenantRegistryOptions } from './tenant-registry.ts';
export { createMemoryUsageLedger } from './usage-ledger.ts';
export { createMemoryVault } from './vault.ts';
export { createMemoryWebhooks } from './webhooks.ts';
