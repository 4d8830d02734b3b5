// The sqlite queue under the contract of its port.
import { join } from 'node:path';
import { createSqliteTurnQueue } from '../../src/queues/sqlite/turn-queue.ts';
import { openDatabase } from '../../src/stores/sqlite/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { turnQueueContract } from '../../testing/contracts/turn-queue.ts';
import { temporaryFolder } from '../stores/temporary-folder.ts';

turnQueueContract({
  name: 'sqlite',
  async create() {
    const folder = temporaryFolder();
    const clock = createManualClock();
    const database = join(folder.path, 'hybrid-sessions.db');
    const open = () => createSqliteTurnQueue({ database, clock });
    const queues = [open()];
    return {
      queue: queues[0]!,
      advance: clock.advance,
      async reopen() {
        const queue = open();
        queues.push(queue);
        return queue;
      },
      async sendMalformed(request, body) {
        const db = openDatabase(database);
        db.write(() =>
          db.run(
            `INSERT INTO messages (session_key, turn_id, body, receive_count, visible_at_ms, receipt)
             VALUES (?, ?, ?, 0, 0, NULL)`,
            request.sessionKey,
            request.turnId,
            body,
          ),
        );
        db.close();
      },
      async close() {
        for (const queue of queues) await queue.close();
        folder.remove();
      },
    };
  },
  async createBroken() {
    const folder = temporaryFolder();
    const queue = createSqliteTurnQueue({ database: join(folder.path, 'hybrid-sessions.db') });
    await queue.close();
    return { queue, close: async () => folder.remove() };
  },
});
