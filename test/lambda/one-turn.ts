// One message, handled by the worker that a test names, as Lambda's event source hands it over.
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { tenantOf } from '../../src/core/ids.ts';
import { turnRequest } from '../../src/core/messages.ts';
import { bodyOf, groupOf } from '../../src/queues/sqs-fifo/wire-messages.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import type { FunctionEnvironment } from '../../testing/lambda/function-environment.ts';
import type { Installation } from '../../testing/lambda/installation.ts';

export function conversation(chat: string) {
  return { tenant: 'default', channel: 'http', bot: 'local', chat, thread: null };
}

export function openStore({ tables, dynamo }: Installation) {
  return createDynamoSessionStore({ client: dynamo.client(), ...tables, clock: systemClock });
}

/** Returns the reply. */
export async function oneTurn(
  installation: Installation,
  worker: FunctionEnvironment,
  chat: string,
  text: string,
): Promise<string> {
  const id = randomUUID();
  const request = turnRequest({
    conversation: conversation(chat),
    dedupeId: id,
    text,
    receivedAtMs: Date.now(),
  });
  const record = {
    messageId: id,
    // Nobody holds this message: making it visible again is in vain, which the worker takes lightly.
    receiptHandle: id,
    body: bodyOf(request),
    attributes: { ApproximateReceiveCount: '1', MessageGroupId: groupOf(request.sessionKey) },
    messageAttributes: {},
    eventSource: 'aws:sqs',
  };
  const { error, body } = await worker.invoke({ Records: [record] });
  expect([error, JSON.parse(body.toString())]).toEqual([null, { batchItemFailures: [] }]);
  const done = await openStore(installation).getTurn(tenantOf(request.sessionKey), request.turnId);
  return done?.reply?.text ?? '';
}
