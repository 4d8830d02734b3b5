// Ports that go wrong once, where a case says so: before the step is done, or after it (the answer is lost).
import { Ambiguous, Refused } from '../../src/core/errors.ts';
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import type { SessionStore } from '../../src/core/ports/store.ts';

export type Fault = 'refused' | 'lost-answer' | 'killed';

export interface FaultyPorts {
  readonly store: SessionStore;
  readonly objects: ObjectStore;
  /** The next calls of this method go wrong, in turn. */
  fail(method: 'put' | 'commit' | 'advance' | 'begin' | 'delete', ...faults: readonly Fault[]): void;
  /** Objects opened by whole streams or ranges, one name for each time. */
  readonly reads: string[];
  readonly puts: { readonly key: string; readonly bytes: number }[];
  /** Calls of the session store, by name. */
  readonly calls: string[];
}

/** What a process feels that ends here: no family of ours, nothing is retried. */
export class Killed extends Error {}

export function faultyPorts(store: SessionStore, objects: ObjectStore): FaultyPorts {
  const faults = new Map<string, Fault[]>();
  const reads: string[] = [];
  const puts: { key: string; bytes: number }[] = [];
  const calls: string[] = [];

  function through<T>(method: string, run: () => Promise<T>): Promise<T> {
    const fault = faults.get(method)?.shift();
    if (fault === undefined) return run();
    if (fault === 'refused')
      return Promise.reject(new Refused('throttled', 'Too much.', { retryAfterMs: 1 }));
    if (fault === 'killed') return Promise.reject(new Killed(method));
    return run().then(() => {
      throw new Ambiguous('no-answer', 'The answer was lost.');
    });
  }

  const watched = new Proxy(store, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        calls.push(String(property));
        return through(String(property), () => Promise.resolve(value.apply(target, args)));
      };
    },
  });

  return {
    store: watched,
    reads,
    puts,
    calls,
    fail(method, ...list) {
      faults.set(method, [...(faults.get(method) ?? []), ...list]);
    },
    objects: {
      put: (key, body) =>
        through('put', () => {
          puts.push({ key, bytes: body instanceof Uint8Array ? body.length : body.bytes });
          return objects.put(key, body);
        }),
      get(key, range) {
        reads.push(key);
        return objects.get(key, range);
      },
      stream(key) {
        reads.push(key);
        return objects.stream(key);
      },
      list: (prefix) => objects.list(prefix),
      delete: (keys) => through('delete', () => objects.delete(keys)),
    },
  };
}
