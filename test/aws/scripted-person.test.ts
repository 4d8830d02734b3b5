// The scripted person under the AWS wiring: webhook, DynamoDB Local, SQS FIFO. The same scenarios, the same chats.
import { randomUUID } from 'node:crypto';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSqsTurnQueue } from '../../src/queues/sqs-fifo/turn-queue.ts';
import { createDynamoSessionStore } from '../../src/stores/dynamodb/session-store.ts';
import { localAws, startDynamoDbLocal } from '../../testing/aws/dynamodb-local.ts';
import { startSqsFifoServer } from '../../testing/aws/sqs/server.ts';
import { linesOf, personOf } from '../telegram/scripted-person/person.ts';
import { SCENARIOS } from '../telegram/scripted-person/scenarios.ts';
import { createShiftedClock, startWorld, type World } from '../telegram/scripted-person/world.ts';

const started = await startDynamoDbLocal();

if ('unavailable' in started) {
  test.skip(`The scripted person on AWS left out: ${started.unavailable}`, () => {});
} else {
  let world: World;
  let closeQueue = async () => {};

  beforeAll(async () => {
    const clock = createShiftedClock();
    const tables = await started.createTables(randomUUID());
    const store = createDynamoSessionStore({ client: started.client(), ...tables, clock });
    const server = await startSqsFifoServer({ clock });
    closeQueue = () => server.close();
    const client = new SQSClient({ ...localAws, endpoint: server.endpoint, maxAttempts: 1 });
    const create = async (name: string) => {
      const Attributes = { FifoQueue: 'true' };
      const made = await client.send(new CreateQueueCommand({ QueueName: `${name}.fifo`, Attributes }));
      return made.QueueUrl ?? '';
    };
    const deadLetterQueueUrl = await create('dead');
    const queue = createSqsTurnQueue({ client, queueUrl: await create('turns'), deadLetterQueueUrl, clock });
    world = await startWorld({ inlet: 'webhook', store, queue, clock }, SCENARIOS.length);
  });
  afterAll(async () => {
    await world.close();
    await closeQueue();
    await started.close();
  });

  test.each(SCENARIOS.map((scenario, at) => [scenario.title, scenario, at] as const))(
    '%s',
    async (_, scenario, at) => {
      const person = personOf(world, at);
      world.bot.faults.clear();
      await scenario.play(person);
      expect(linesOf(person, scenario.place)).toEqual(scenario.ends);
    },
  );
}
