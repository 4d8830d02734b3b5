// A queue in memory: the reference model, for tests and for trying things out.
import '../../node-version.ts';

export { createMemoryTurnQueue, type MemoryTurnQueueOptions } from './turn-queue.ts';
