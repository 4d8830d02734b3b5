// The SDK's own store under the cases that hold for any adapter, and ours over memory.
import { InMemorySessionStore } from '@anthropic-ai/claude-agent-sdk';
import { createMemoryObjectStore, createMemorySessionStore } from '../../src/stores/memory/index.ts';
import { agentSessionStoreContract } from '../../testing/contracts/agent-session-store.ts';
import { sdkSessionStoreContract } from '../../testing/contracts/agent-session-store-sdk.ts';

sdkSessionStoreContract({
  name: "the SDK's own, in memory",
  create: async () => ({ store: new InMemorySessionStore(), close: async () => {} }),
});

agentSessionStoreContract({
  name: 'memory',
  async create(clock) {
    const store = createMemorySessionStore({ clock });
    return { store, objects: createMemoryObjectStore(), close: () => store.close() };
  },
});
