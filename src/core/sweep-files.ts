// Files of turns that are not kept any more. A turn's files live as long as its line in the ledger; what has no line is
// of a turn that expired or was erased, or was uploaded for a message that never came.
import { FILES } from './attachments.ts';
import type { Tenant, TurnId } from './ids.ts';
import type { Clock, ObjectInfo, ObjectStore, SessionStore } from './ports.ts';

export interface SweepFilesDeps {
  readonly store: Pick<SessionStore, 'getTurn'>;
  readonly objects: Pick<ObjectStore, 'delete'>;
}

/** A message may come some time after its files; a day is longer than any client takes. */
const MIN_AGE_MS = 24 * 3600 * 1000;

export interface FoundFiles {
  /** Takes note of an object, if it is a file of a turn: true then. */
  see(object: ObjectInfo): boolean;
  /** Removes those whose turn is gone. */
  remove(deps: SweepFilesDeps, clock: Pick<Clock, 'now'>, signal?: AbortSignal): Promise<void>;
}

export function findFiles(): FoundFiles {
  const turns = new Map<string, { readonly keys: string[]; newestAtMs: number }>();
  return {
    see({ key, modifiedAtMs }) {
      const [tenant, folder, turnId] = key.split('/', 3);
      if (folder !== FILES) return false;
      const name = `${tenant}/${turnId}`;
      const known = turns.get(name) ?? { keys: [], newestAtMs: 0 };
      known.keys.push(key);
      known.newestAtMs = Math.max(known.newestAtMs, modifiedAtMs);
      turns.set(name, known);
      return true;
    },
    async remove({ store, objects }, clock, signal) {
      for (const [name, { keys, newestAtMs }] of turns) {
        if (signal?.aborted) return;
        if (clock.now() - newestAtMs < MIN_AGE_MS) continue;
        const [tenant, turnId] = name.split('/') as [Tenant, TurnId];
        if ((await store.getTurn(tenant, turnId)) === null) await objects.delete(keys);
      }
    },
  };
}
