// What `createAgentSessionStore` promises beyond the SDK's contract, over any pair of our ports: repeats, crashes, lost
// answers, wrong clocks, two writers, long lives. Each case opens instances as separate processes would.
import { describe } from 'vitest';
import type { ObjectStore } from '../../src/core/ports/objects.ts';
import type { SessionStore } from '../../src/core/ports/store.ts';
import {
  type AgentSessionStore,
  type AgentSessionStoreOptions,
  createAgentSessionStore,
} from '../../src/sdk-session-store/agent-session-store.ts';
import { createManualClock, type ManualClock } from '../clock.ts';
import { growthCases } from './agent-session-store-growth.ts';
import { repeatCases } from './agent-session-store-repeats.ts';
import { sdkSessionStoreContract } from './agent-session-store-sdk.ts';
import { writerCases } from './agent-session-store-writers.ts';
import { type ContractSkip, cases } from './contract.ts';

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

export async function sceneOf(contract: AgentSessionStoreContract): Promise<Fixture> {
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

export function agentSessionStoreContract(contract: AgentSessionStoreContract): void {
  sdkSessionStoreContract({
    name: contract.name,
    async create() {
      const fixture = await sceneOf(contract);
      return { store: fixture.open(), close: fixture.close };
    },
  });
  describe(`agent session store: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    const create = () => sceneOf(contract);
    repeatCases(create, it);
    writerCases(create, it);
    growthCases(create, it, contract.longEntries ?? 10_000);
    finish();
  });
}
