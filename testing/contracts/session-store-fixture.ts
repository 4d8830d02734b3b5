// What the session store contract asks of an adapter: how its stores are made, and the clock they go by.
import type { SessionStore } from '../../src/core/ports/store.ts';
import type { ManualClock } from '../clock.ts';
import type { ContractSkip } from './contract.ts';

export interface SessionStoreFixture {
  readonly store: SessionStore;
  readonly clock: ManualClock;
  /** Another store over the same data, as a second process would open it; absent where there can be none. */
  reopen?(): Promise<SessionStore>;
  /** Closes the store, and removes what it kept. */
  close(): Promise<void>;
}

export interface SessionStoreContract {
  readonly name: string;
  /** An empty store: the cases count on no conversation being there before. */
  create(): Promise<SessionStoreFixture>;
  /** A store that cannot reach its data (closed, unreachable, unreadable): everything asked of it must fail. */
  createBroken(): Promise<{ store: SessionStore; close(): Promise<void> }>;
  readonly skip?: readonly ContractSkip[];
}
