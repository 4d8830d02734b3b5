// What the contract of `createAgentSessionStore` asks of a pair of our ports, and what its cases get: the ports, a
// clock of their own, and new instances as separate processes would open them.
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import type { SessionStore } from '../../src/core/ports/store.ts';
import {
  type AgentSessionStore,
  type AgentSessionStoreOptions,
  createAgentSessionStore,
} from '../../src/sdk-session-store/agent-session-store.ts';
import { createManualClock, type ManualClock } from '../clock.ts';
import type { ContractSkip } from './contract.ts';

export interface AgentSessionStoreFixture {
  /** Over an empty place. Leases go by `clock`. */
  readonly store: SessionStore;
  readonly objects: ObjectStore;
  close(): Promise<void>;
}

export interface AgentSessionStoreContract {
  readonly name: string;
  create(clock: ManualClock): Promise<AgentSessionStoreFixture>;
  /** Entries of the long case; fewer where each append is slow. */
  readonly longEntries?: number;
  readonly skip?: readonly ContractSkip[];
}

export const LEASE_MS = 15_000;

export interface Fixture extends AgentSessionStoreFixture {
  readonly clock: ManualClock;
  /** Another instance, as a process of its own would have it. Waiting costs no time: the clock moves on instead. */
  open(over?: Partial<AgentSessionStoreOptions>): AgentSessionStore;
}

export async function fixtureOf(contract: AgentSessionStoreContract): Promise<Fixture> {
  const clock = createManualClock();
  const fixture = await contract.create(clock);
  const hasty = { now: () => clock.now(), sleep: (ms: number) => clock.advance(ms) };
  return {
    ...fixture,
    clock,
    open: (over = {}) =>
      createAgentSessionStore({
        store: fixture.store,
        objects: fixture.objects,
        clock: hasty,
        leaseMs: LEASE_MS,
        takeoverWaitMs: 0,
        ...over,
      }),
  };
}
