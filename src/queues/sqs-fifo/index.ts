// SQS FIFO queues: polled, or as batches that Lambda hands over.
import '../../node-version.ts';

export type { SqsBatch, SqsBatchResponse, SqsEvent, SqsRecord } from './lambda-batch.ts';
export { createSqsTurnQueue, type SqsTurnQueue, type SqsTurnQueueOptions } from './turn-queue.ts';
export { createSqsClient, type SqsConnection } from './wire-messages.ts';
