// A worker process for the test of many processes on one file: receives, begins, commits, settles, acknowledges,
// until told to end by a closed standard input. Prints one JSON line per turn it committed.

import { isHybridError, isLeaseLost, Refused } from '../../src/core/errors.ts';
import { newSessionId } from '../../src/core/ids.ts';
import { createSqliteTurnQueue } from '../../src/queues/sqlite/turn-queue.ts';
import { createSqliteSessionStore } from '../../src/stores/sqlite/index.ts';
import { repeatRefused } from './repeat-refused.ts';

const database = process.argv[2]!;
const store = createSqliteSessionStore({ database });
const queue = createSqliteTurnQueue({ database });
const ending = new AbortController();
process.stdin.on('close', () => ending.abort()).resume();

while (!ending.signal.aborted) {
  const deliveries = await repeatRefused(() =>
    queue.receive({ max: 3, waitMs: 2_000, visibilityMs: 60_000, signal: ending.signal }),
  );
  for (const delivery of deliveries) {
    const { request } = delivery;
    try {
      const { lease, head, turn } = await store.begin({
        request,
        owner: `${process.pid}`,
        leaseMs: 60_000,
        newSessionId: newSessionId(),
        retentionSec: 3_600,
      });
      const before = (head.state as string[] | null) ?? [];
      await store.commit({
        lease,
        turnId: turn.turnId,
        baseGeneration: head.generation,
        generation: head.generation + 1,
        state: [...before, request.text],
        reply: { text: request.text, outcome: 'ok' },
        retentionSec: 3_600,
      });
      await store.settle(lease, turn.turnId, 'delivered');
      await store.release(lease);
      await delivery.ack();
      process.stdout.write(`${JSON.stringify({ chat: request.conversation.chat, text: request.text })}\n`);
    } catch (error) {
      if (!isHybridError(error) || (!(error instanceof Refused) && !isLeaseLost(error))) throw error;
      await repeatRefused(() => delivery.retry(5));
    }
  }
}
await queue.close();
await store.close();
