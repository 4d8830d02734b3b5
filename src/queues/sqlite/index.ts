// A durable FIFO queue in an SQLite file.
export { createSqliteTurnQueue, type SqliteTurnQueueOptions } from './turn-queue.ts';
