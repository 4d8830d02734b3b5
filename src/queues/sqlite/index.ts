// A durable FIFO queue in an SQLite file.
import '../../node-version.ts';

export { createSqliteTurnQueue, type SqliteTurnQueueOptions } from './turn-queue.ts';
