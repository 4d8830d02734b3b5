// What the object store contract asks of an adapter: how its stores are made.
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import type { ContractSkip } from './contract.ts';

export interface ObjectStoreFixture {
  readonly store: ObjectStore;
  /** Another store over the same data, as a second process would open it; absent where there can be none. */
  reopen?(): Promise<ObjectStore>;
  close(): Promise<void>;
}

export interface ObjectStoreContract {
  readonly name: string;
  /** A store with no objects. */
  create(): Promise<ObjectStoreFixture>;
  /** A store that cannot reach its data. */
  createBroken?(): Promise<ObjectStoreFixture>;
  readonly skip?: readonly ContractSkip[];
}
