// The in-memory queue under the contract of its port.
import { createMemoryTurnQueue } from '../../src/queues/memory/turn-queue.ts';
import { createManualClock } from '../../testing/clock.ts';
import { turnQueueContract } from '../../testing/contracts/turn-queue.ts';

turnQueueContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    const queue = createMemoryTurnQueue({ clock });
    return { queue, advance: clock.advance, close: () => queue.close() };
  },
  async createBroken() {
    const queue = createMemoryTurnQueue();
    await queue.close();
    return { queue, close: async () => {} };
  },
  skip: [
    {
      reason: 'nothing outlives the process',
      tests: ['what was sent is there after a restart, in order', 'waiting ends when another process sends'],
    },
    {
      reason: 'a body is checked when it is sent',
      tests: ['a body that is no request is set aside with the reason; its conversation goes on'],
    },
  ],
});
