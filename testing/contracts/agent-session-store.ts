// What `createAgentSessionStore` promises beyond the SDK's contract, over any pair of our ports: repeats, crashes, lost
// answers, wrong clocks, two writers, long lives. Each case opens instances as separate processes would.
import { describe } from 'vitest';
import { type AgentSessionStoreContract, fixtureOf } from './agent-session-store-fixture.ts';
import { growthCases } from './agent-session-store-growth.ts';
import { repeatCases } from './agent-session-store-repeats.ts';
import { sdkSessionStoreContract } from './agent-session-store-sdk.ts';
import { writerCases } from './agent-session-store-writers.ts';
import { cases } from './contract.ts';

export type { AgentSessionStoreContract, AgentSessionStoreFixture } from './agent-session-store-fixture.ts';

export function agentSessionStoreContract(contract: AgentSessionStoreContract): void {
  sdkSessionStoreContract({
    name: contract.name,
    async create() {
      const fixture = await fixtureOf(contract);
      return { store: fixture.open(), close: fixture.close };
    },
  });
  describe(`agent session store: ${contract.name}`, () => {
    const { it, finish } = cases(contract.skip);
    const create = () => fixtureOf(contract);
    repeatCases(create, it);
    writerCases(create, it);
    growthCases(create, it, contract.longEntries ?? 10_000);
    finish();
  });
}
