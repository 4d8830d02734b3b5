// Stores in this process's memory: for tests, and the reference model of the ports, written to be obviously right.
// Nothing survives the process. Every method runs to its end without yielding, so each is atomic by itself.
export { createMemoryEventLog, type MemoryEventLogOptions } from './memory-events.ts';
export { createMemoryObjectStore } from './memory-objects.ts';
export { createMemorySessionStore, type MemorySessionStoreOptions } from './memory-session.ts';
