// A batch as Lambda hands it to a function. Lambda itself deletes what the function does not report as failed, so
// `ack` costs no call. The FIFO rule: the first message of a group that is not done, and all after it in that group,
// are reported; anything else would let a later message overtake it.
import type { ReceivedMessage } from '../../core/ports/queue.ts';

/** The parts of Lambda's SQS event that are used here. */
export interface SqsRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: { readonly ApproximateReceiveCount: string; readonly MessageGroupId?: string };
}

export interface SqsEvent {
  readonly Records: readonly SqsRecord[];
}

export interface SqsBatchResponse {
  batchItemFailures: { itemIdentifier: string }[];
}

export interface SqsBatch {
  /** Groups may run in parallel; within one, a message only after the one before it is done. */
  readonly groups: readonly (readonly ReceivedMessage[])[];
  /** The function's return value (`ReportBatchItemFailures`). */
  response(): SqsBatchResponse;
}

export function groupIdOf(record: SqsRecord): string {
  return record.attributes.MessageGroupId ?? '';
}

/** The FIFO rule over records in the order they came. */
export function batchItemFailures(
  records: readonly SqsRecord[],
  isDone: (record: SqsRecord) => boolean,
): SqsBatchResponse {
  const blocked = new Set<string>();
  const failures: { itemIdentifier: string }[] = [];
  for (const record of records) {
    const group = groupIdOf(record);
    if (!isDone(record)) blocked.add(group);
    if (blocked.has(group)) failures.push({ itemIdentifier: record.messageId });
  }
  return { batchItemFailures: failures };
}
