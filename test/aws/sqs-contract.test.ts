// The turn queue contract over our SQS FIFO server, through the real AWS client. Time is the test's own: the server
// and the queue share one manual clock.
import { randomUUID } from 'node:crypto';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { groupOf } from '../../src/queues/sqs-fifo/wire-messages.ts';
import { localAws } from '../../testing/aws/dynamodb-local.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { createManualClock, settle } from '../../testing/clock.ts';
import { turnQueueContract } from '../../testing/contracts/turn-queue.ts';
import { until } from '../waiting.ts';
import { countInFlight } from './in-flight.ts';

turnQueueContract({
  name: 'SQS FIFO',
  async create() {
    const clock = createManualClock();
    const server = await startSqsFifoServer({ clock });
    const client = new SQSClient({ ...localAws, endpoint: server.endpoint, maxAttempts: 1 });
    const inFlight = countInFlight(client);
    /** Until every request was answered, or is a poll that waits in the server. */
    const quiet = async () => {
      await settle();
      await until(() => inFlight() === server.waitingPolls);
    };
    const make = async (name: string, attributes: Record<string, string> = {}) => {
      const Attributes = { FifoQueue: 'true', ...attributes };
      return (await client.send(new CreateQueueCommand({ QueueName: `${name}.fifo`, Attributes }))).QueueUrl!;
    };
    const deadLetterQueueUrl = await make('dead');
    const arn = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: deadLetterQueueUrl, AttributeNames: ['QueueArn'] }),
    );
    const RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: arn.Attributes?.QueueArn,
      maxReceiveCount: 20,
    });
    const queueUrl = await make('turns', { RedrivePolicy });
    const open = () => createSqsTurnQueue({ client, queueUrl, deadLetterQueueUrl, clock, browseWaitSec: 0 });
    const queue = open();
    return {
      queue,
      async advance(ms) {
        // What was just asked has to reach the server before the time it waits for passes.
        await quiet();
        await clock.advance(ms);
        await quiet();
      },
      reopen: async () => open(),
      async sendMalformed(request, body) {
        await client.send(
          new SendMessageCommand({
            QueueUrl: queueUrl,
            MessageBody: body,
            MessageGroupId: groupOf(request.sessionKey),
            MessageDeduplicationId: randomUUID(),
          }),
        );
      },
      async close() {
        await queue.close();
        client.destroy();
        await server.close();
      },
    };
  },
  async createBroken() {
    const client = new SQSClient({ ...localAws, endpoint: 'http://127.0.0.1:9', maxAttempts: 1 });
    const urls = {
      queueUrl: 'http://127.0.0.1:9/0/a.fifo',
      deadLetterQueueUrl: 'http://127.0.0.1:9/0/b.fifo',
    };
    const queue = createSqsTurnQueue({ client, ...urls, browseWaitSec: 0 });
    return { queue, close: async () => client.destroy() };
  },
});
