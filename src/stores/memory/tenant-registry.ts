// Tenants in memory: a map of records, a list of acts.
import { systemClock } from '../../core/clock.ts';
import type { Tenant } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { AuditEntry, TenantRegistry } from '../../core/ports/tenants.ts';
import { botKey, type TenantRecord } from '../../core/tenants.ts';
import { storeError } from '../rules/errors.ts';
import { decodeCursor, encodeCursor, pageSize } from '../rules/paging.ts';
import {
  auditEntry,
  changedTenant,
  newTenant,
  removedTenant,
  requireSmallSettings,
  requireVersion,
  type TenantWrite,
  tenantError,
} from '../rules/tenants.ts';

export interface MemoryTenantRegistryOptions {
  readonly clock?: Clock;
}

export function createMemoryTenantRegistry(options: MemoryTenantRegistryOptions = {}): TenantRegistry {
  const clock = options.clock ?? systemClock;
  const records = new Map<Tenant, TenantRecord>();
  const owners = new Map<string, Tenant>();
  const acts: AuditEntry[] = [];
  let closed = false;

  function atomically<T>(work: () => T): Promise<T> {
    return new Promise((resolve) => {
      if (closed) throw storeError('store-closed');
      resolve(structuredClone(work()));
    });
  }

  function write({ record, entry, gained, lost }: TenantWrite): TenantRecord {
    if (gained.some((bot) => owners.has(botKey(bot)))) throw tenantError('bot-taken');
    for (const bot of lost) owners.delete(botKey(bot));
    for (const bot of gained) owners.set(botKey(bot), record.tenant);
    records.set(record.tenant, structuredClone(record));
    acts.push(entry);
    return record;
  }

  return {
    add: (name, settings, by) =>
      atomically(() => {
        requireSmallSettings(settings);
        const made = newTenant(name, settings, by, clock.now());
        if (records.has(made.record.tenant)) throw tenantError('tenant-exists');
        return write(made);
      }),

    get: (tenant) => atomically(() => records.get(tenant) ?? null),

    findBot: (channel, bot) =>
      atomically(() => {
        const owner = owners.get(botKey({ channel, bot }));
        return (owner && records.get(owner)) ?? null;
      }),

    list: (listOptions) =>
      atomically(() => {
        const [after = ''] = decodeCursor(listOptions?.cursor, ['string']) ?? [];
        const rest = [...records.values()].filter(({ tenant }) => tenant > after).sort(byTenant);
        return page(rest, pageSize(listOptions), ({ tenant }) => tenant);
      }),

    set: (tenant, change, version, by) =>
      atomically(() => {
        requireSmallSettings(change.settings);
        return write(changedTenant(records.get(tenant), change, version, by, clock.now()));
      }),

    remove: (tenant, version, by) =>
      atomically(() => {
        const record = records.get(tenant);
        if (!record) return;
        requireVersion(record, version);
        for (const bot of record.settings.bots) owners.delete(botKey(bot));
        records.delete(tenant);
        acts.push(removedTenant(record, by, clock.now()));
      }),

    audit: {
      append: (act) =>
        atomically(() => {
          const entry = auditEntry(act, clock.now());
          acts.push(structuredClone(entry));
          return entry;
        }),

      list: (listOptions = {}) =>
        atomically(() => {
          const { tenant } = listOptions;
          const [before] = decodeCursor(listOptions.cursor, ['string']) ?? [];
          const mine = acts
            .filter((entry) => tenant === undefined || entry.tenant === tenant)
            .filter((entry) => before === undefined || entry.id < before)
            .sort((a, b) => (a.id < b.id ? 1 : -1));
          return page(mine, pageSize(listOptions), ({ id }) => id);
        }),
    },

    async close() {
      closed = true;
    },
  };
}

function byTenant(a: TenantRecord, b: TenantRecord): number {
  return a.tenant < b.tenant ? -1 : 1;
}

function page<T>(all: readonly T[], limit: number, positionOf: (item: T) => string) {
  const items = all.slice(0, limit);
  const last = items.at(-1);
  return {
    items,
    cursor: last !== undefined && all.length > limit ? encodeCursor([positionOf(last)]) : null,
  };
}
