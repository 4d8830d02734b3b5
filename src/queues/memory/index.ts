// A queue in memory: the reference model, for tests and for trying things out.
export { createMemoryTurnQueue, type MemoryTurnQueueOptions } from './turn-queue.ts';
