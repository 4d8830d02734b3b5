// The contract of every `SessionStore`. Run it with `create` making a fresh store over an empty place (or a place
// shared by tests: conversations are unique, tenants are those given by the fixture) and a clock the test may move.
import { describe } from 'vitest';
import type { SessionStore } from '../../src/core/ports/store.ts';
import type { ManualClock } from '../clock.ts';
import { type ContractSkip, cases } from './contract.ts';
import { commitCases } from './session-store-commit.ts';
import { expiryCases } from './session-store-expiry.ts';
import { fenceCases } from './session-store-fence.ts';
import { gatherCases } from './session-store-gather.ts';
import { isolationCases } from './session-store-isolation.ts';
import { leaseCases } from './session-store-lease.ts';
import { listCases } from './session-store-lists.ts';
import { moveCases } from './session-store-move.ts';
import { upkeepCases } from './session-store-upkeep.ts';

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

export function sessionStoreContract(contract: SessionStoreContract): void {
  describe(`session store: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    leaseCases(contract, it);
    fenceCases(contract, it);
    commitCases(contract, it);
    expiryCases(contract, it);
    listCases(contract, it);
    isolationCases(contract, it);
    gatherCases(contract, it);
    moveCases(contract, it);
    upkeepCases(contract, it);
    finish();
  });
}
