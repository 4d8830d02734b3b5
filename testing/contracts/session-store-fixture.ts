// What the session store contract asks of an adapter: how its stores are made, and the clock they go by.
import type { TurnId } from '../../src/core/ids.ts';
import type { SessionStore } from '../../src/core/ports/store.ts';
import type { Lease } from '../../src/core/records.ts';
import type { ManualClock } from '../clock.ts';
import type { ContractSkip, Family } from './contract.ts';

export interface SessionStoreFixture {
  readonly store: SessionStore;
  readonly clock: ManualClock;
  /** Another store over the same data, as a second process would open it; absent where there can be none. */
  reopen?(): Promise<SessionStore>;
  /** Makes the stored state record of a session unreadable; absent where records are not stored as text. */
  damageState?(lease: Lease): Promise<void>;
  /** Has this turn's line erased while the next begin is on its way; absent where a begin is one step. */
  eraseLineDuringBegin?(turnId: TurnId): void;
  /** Closes the store, and removes what it kept. */
  close(): Promise<void>;
}

export interface PlatformError {
  readonly code: string;
  readonly family: Family;
  readonly advice?: RegExp;
  provoke(): Promise<unknown>;
}

export interface SessionStoreContract {
  readonly name: string;
  /** An empty store: the cases count on no conversation being there before. */
  create(): Promise<SessionStoreFixture>;
  /** A store that cannot reach its data (closed, unreachable, unreadable): everything asked of it must fail. */
  createBroken(): Promise<{ store: SessionStore; close(): Promise<void> }>;
  /** Errors that only this platform has: what provokes each, and what its advice says (none, where absent). */
  readonly platformErrors?: readonly PlatformError[];
  readonly skip?: readonly ContractSkip[];
}
