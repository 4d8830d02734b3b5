// What a run of a turn is to tell its person besides the agent's words: links to sign in. The gateway's function writes, the
// turn's worker reads. One item for each tool server; the last link stays.
import type { Tenant, TurnId } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { NoteLog } from '../../gateway/stateless-gateway.ts';
import type { SignInNote } from '../../tool-servers/sign-in/sign-in-link.ts';
import { expiryOf } from '../rules/retention.ts';
import { createDynamo } from './client.ts';
import { text } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { notePartition } from './tables.ts';

/** Longer than any invocation; the links are good for an hour. */
const KEPT_SEC = 86_400;

export interface TurnNotes extends NoteLog {
  read(tenant: Tenant, turnId: TurnId, run: string): Promise<readonly SignInNote[]>;
}

export interface DynamoTurnNotesOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock: Clock;
}

export function createDynamoTurnNotes(options: DynamoTurnNotesOptions): TurnNotes {
  const { stateTable, clock } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));
  return {
    async note({ tenant, turnId, run }, note) {
      // A token of a worker that does not look.
      if (run === undefined) return;
      const key = { pk: notePartition(tenant, turnId, run), sk: note.server };
      await dynamo.update(stateTable, key, {
        update: 'SET #note = :note, #ttl = :ttl',
        values: { note: note.text, ttl: expiryOf(clock.now(), KEPT_SEC) },
      });
    },
    async read(tenant, turnId, run) {
      const { items } = await dynamo.query({
        TableName: stateTable,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: notePartition(tenant, turnId, run) } },
        ConsistentRead: true,
      });
      return items.map((item) => ({ server: text(item, 'sk'), text: text(item, 'note') }));
    },
  };
}
