// The in-memory stores under the contracts of their ports.
import {
  createMemoryEventLog,
  createMemoryNotes,
  createMemoryObjectStore,
  createMemoryPlaces,
  createMemorySchedules,
  createMemorySessionStore,
  createMemoryTenantRegistry,
  createMemoryUsageLedger,
  createMemoryVault,
  createMemoryWebhooks,
} from '../../src/stores/memory/index.ts';
import { createManualClock } from '../../testing/clock.ts';
import { channelNotesContract } from '../../testing/contracts/channel-notes.ts';
import { eventLogContract } from '../../testing/contracts/event-log.ts';
import { objectStoreContract } from '../../testing/contracts/object-store.ts';
import { placesContract } from '../../testing/contracts/places.ts';
import { schedulesContract } from '../../testing/contracts/schedules.ts';
import { sessionStoreContract } from '../../testing/contracts/session-store.ts';
import { tenantRegistryContract } from '../../testing/contracts/tenant-registry.ts';
import { usageLedgerContract } from '../../testing/contracts/usage-ledger.ts';
import { vaultContract } from '../../testing/contracts/vault.ts';
import { webhooksContract } from '../../testing/contracts/webhooks.ts';

sessionStoreContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    const store = createMemorySessionStore({ clock });
    return { store, clock, close: () => store.close() };
  },
  async createBroken() {
    const store = createMemorySessionStore();
    await store.close();
    return { store, close: async () => {} };
  },
  skip: [
    {
      reason: 'nothing outlives the process',
      tests: ['what one store wrote another over the same data reads'],
    },
    {
      reason: 'records are objects, nothing is parsed',
      tests: ['error record-unreadable: family, code and advice, whichever way it comes'],
    },
    {
      reason: 'a begin is one step, nothing can come between',
      tests: ['error contended: family, code and advice, whichever way it comes'],
    },
  ],
});

objectStoreContract({
  name: 'memory',
  create: async () => ({ store: createMemoryObjectStore(), close: async () => {} }),
});

eventLogContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    return { log: createMemoryEventLog({ clock }), advance: clock.advance, close: async () => {} };
  },
});

usageLedgerContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    return { ledger: createMemoryUsageLedger({ clock }), clock, close: async () => {} };
  },
  skip: [
    {
      reason: 'nothing outlives the process',
      tests: ['what one ledger counted another over the same data reads'],
    },
  ],
});

placesContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    return { places: createMemoryPlaces({ clock }), clock, close: async () => {} };
  },
});

channelNotesContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    return { notes: createMemoryNotes({ clock }), clock, close: async () => {} };
  },
});

tenantRegistryContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    const registry = createMemoryTenantRegistry({ clock });
    return { registry, clock, close: () => registry.close() };
  },
  skip: [
    {
      reason: 'nothing outlives the process, and nothing is parsed',
      tests: [
        'what one registry wrote another over the same data reads',
        'a record that cannot be read is Corrupt, never absent',
      ],
    },
  ],
});

vaultContract({
  name: 'memory',
  create: async () => ({ vault: createMemoryVault(), close: async () => {} }),
  skip: [
    {
      reason: 'nothing outlives the process',
      tests: ['what one vault wrote another over the same entries reads'],
    },
  ],
});

schedulesContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    return { schedules: createMemorySchedules({ clock }), clock, close: async () => {} };
  },
});

webhooksContract({
  name: 'memory',
  async create() {
    const clock = createManualClock();
    return { webhooks: createMemoryWebhooks({ clock }), clock, close: async () => {} };
  },
});
