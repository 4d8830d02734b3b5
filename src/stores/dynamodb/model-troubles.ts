// What the gateway saw of a model that failed a run of a turn, where the gateway is a function of its own: it writes, and the
// turn's worker reads. One item for a run; the last failure stays.
import type { Tenant, TurnId } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ModelFailure } from '../../gateway/model-gateway.ts';
import type { TroubleLog } from '../../gateway/stateless-gateway.ts';
import { expiryOf } from '../rules/retention.ts';
import { createDynamo, keyOf } from './client.ts';
import { text } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { troubleKey } from './tables.ts';

/** Longer than any invocation. */
const KEPT_SEC = 86_400;

export interface ModelTroubles extends TroubleLog {
  read(tenant: Tenant, turnId: TurnId, run: string): Promise<ModelFailure | null>;
}

export interface DynamoModelTroublesOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock: Clock;
}

export function createDynamoModelTroubles(options: DynamoModelTroublesOptions): ModelTroubles {
  const { stateTable, clock } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));
  return {
    async note({ tenant, turnId, run }, failure) {
      // A token of a worker that does not look.
      if (run === undefined) return;
      await dynamo.update(stateTable, troubleKey(tenant, turnId, run), {
        update: 'SET #failure = :failure, #ttl = :ttl',
        values: { failure: JSON.stringify(failure), ttl: expiryOf(clock.now(), KEPT_SEC) },
      });
    },
    async read(tenant, turnId, run) {
      const item = await dynamo.get(stateTable, keyOf(troubleKey(tenant, turnId, run)));
      return item ? (JSON.parse(text(item, 'failure')) as ModelFailure) : null;
    },
  };
}
