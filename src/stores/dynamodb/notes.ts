// Notes of channels on the state table: one item each, changed only under the version that was read. Their partition is
// the installation's, so no tenant's role reaches it.
import { systemClock } from '../../core/clock.ts';
import type { Json } from '../../core/messages.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { ChannelNotes } from '../../core/ports/notes.ts';
import { epochSec, expiryOf } from '../rules/retention.ts';
import { createDynamo, keyOf } from './client.ts';
import { isLiveItem, number, text, toItem } from './items.ts';
import { createDynamoClient, type DynamoConnection } from './session-store.ts';
import { noteKey } from './tables.ts';

export interface DynamoNotesOptions extends DynamoConnection {
  readonly stateTable: string;
  readonly clock?: Clock;
}

export function createDynamoNotes(options: DynamoNotesOptions): ChannelNotes {
  const { stateTable, clock = systemClock } = options;
  const dynamo = createDynamo(options.client ?? createDynamoClient(options));
  return {
    async read(name) {
      const item = await dynamo.get(stateTable, keyOf(noteKey(name)));
      if (!item || !isLiveItem(item, clock.now(), 'ttl')) return null;
      return { value: JSON.parse(text(item, 'value')) as Json, version: number(item, 'version') };
    },
    async write(name, value, { over, keepSec }) {
      const nowMs = clock.now();
      const written = await dynamo.put(
        stateTable,
        toItem({
          ...noteKey(name),
          value: JSON.stringify(value),
          version: over + 1,
          ttl: expiryOf(nowMs, keepSec),
        }),
        over === 0
          ? { condition: 'attribute_not_exists(#pk) OR #ttl <= :now', values: { now: epochSec(nowMs) } }
          : {
              condition: '#version = :over AND #ttl > :now',
              values: { over, now: epochSec(nowMs) },
            },
      );
      return written.ok;
    },
  };
}
