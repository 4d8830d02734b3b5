// Tenants and the audit log in SQLite, in the file of the sessions. Each write is one transaction.
import { systemClock } from '../../core/clock.ts';
import type { Tenant } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { AdministrativeAct, AuditEntry, TenantRegistry } from '../../core/ports/tenants.ts';
import type { TenantName, TenantRecord, TenantStatus } from '../../core/tenants.ts';
import { decodeCursor, encodeCursor, pageSize } from '../rules/paging.ts';
import {
  auditEntry,
  changedTenant,
  newTenant,
  removedTenant,
  requireSmallSettings,
  requireVersion,
  storedSettings,
  type TenantWrite,
  tenantError,
} from '../rules/tenants.ts';
import { borrowOrOpen, type Row, type SqliteDatabase } from './database.ts';
import { parseColumn } from './rows.ts';

export interface SqliteTenantRegistryOptions {
  /** Path of the file (made where there is none), or a database opened by `openDatabase`. */
  readonly database: string | SqliteDatabase;
  readonly clock?: Clock;
}

export function createSqliteTenantRegistry(options: SqliteTenantRegistryOptions): TenantRegistry {
  const clock = options.clock ?? systemClock;
  const { db, close } = borrowOrOpen(options.database);

  function find(tenant: Tenant): TenantRecord | null {
    const row = db.get('SELECT * FROM tenants WHERE tenant = ?', tenant);
    return row ? recordOf(row) : null;
  }

  function appendAct({ id, atMs, by, action, tenant, detail }: AuditEntry): void {
    db.run(
      'INSERT INTO audit (id, at_ms, done_by, action, tenant, detail) VALUES (?, ?, ?, ?, ?, ?)',
      id,
      atMs,
      by,
      action,
      tenant,
      JSON.stringify(detail),
    );
  }

  function write({ record, entry, gained, lost }: TenantWrite): TenantRecord {
    for (const { channel, bot } of lost) {
      db.run('DELETE FROM tenant_bots WHERE channel = ? AND bot = ?', channel, bot);
    }
    for (const { channel, bot } of gained) {
      const sql = 'INSERT OR IGNORE INTO tenant_bots (channel, bot, tenant) VALUES (?, ?, ?)';
      if (db.run(sql, channel, bot, record.tenant) === 0) throw tenantError('bot-taken');
    }
    const { tenant, name, status, version, settings, createdAtMs, updatedAtMs } = record;
    db.run(
      `INSERT OR REPLACE INTO tenants (tenant, name, status, version, settings, created_at_ms, updated_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
      tenant,
      name,
      status,
      version,
      JSON.stringify(settings),
      createdAtMs,
      updatedAtMs,
    );
    appendAct(entry);
    return record;
  }

  return {
    async add(name, settings, by) {
      requireSmallSettings(settings);
      return db.write(() => {
        const made = newTenant(name, settings, by, clock.now());
        if (find(made.record.tenant)) throw tenantError('tenant-exists');
        return write(made);
      });
    },

    async get(tenant) {
      return find(tenant);
    },

    async findBot(channel, bot) {
      const row = db.get(
        `SELECT tenants.* FROM tenants JOIN tenant_bots USING (tenant) WHERE channel = ? AND bot = ?`,
        channel,
        bot,
      );
      return row ? recordOf(row) : null;
    },

    async list(listOptions) {
      const [after = ''] = decodeCursor(listOptions?.cursor, ['string']) ?? [];
      const limit = pageSize(listOptions);
      const rows = db.all('SELECT * FROM tenants WHERE tenant > ? ORDER BY tenant LIMIT ?', after, limit + 1);
      const items = rows.slice(0, limit).map(recordOf);
      return { items, cursor: rows.length > limit ? encodeCursor([items.at(-1)?.tenant ?? '']) : null };
    },

    async set(tenant, change, version, by) {
      requireSmallSettings(change.settings);
      return db.write(() => write(changedTenant(find(tenant), change, version, by, clock.now())));
    },

    async remove(tenant, version, by) {
      db.write(() => {
        const record = find(tenant);
        if (!record) return;
        requireVersion(record, version);
        db.run('DELETE FROM tenant_bots WHERE tenant = ?', tenant);
        db.run('DELETE FROM tenants WHERE tenant = ?', tenant);
        appendAct(removedTenant(record, by, clock.now()));
      });
    },

    audit: {
      async append(act: AdministrativeAct) {
        const entry = auditEntry(act, clock.now());
        db.write(() => appendAct(entry));
        return entry;
      },

      async list(listOptions = {}) {
        const { tenant } = listOptions;
        const [before = '~'] = decodeCursor(listOptions.cursor, ['string']) ?? [];
        const limit = pageSize(listOptions);
        const rows = db.all(
          `SELECT * FROM audit WHERE id < ? ${tenant === undefined ? '' : 'AND tenant = ?'}
           ORDER BY id DESC LIMIT ?`,
          before,
          ...(tenant === undefined ? [] : [tenant]),
          limit + 1,
        );
        const items = rows.slice(0, limit).map(entryOf);
        return { items, cursor: rows.length > limit ? encodeCursor([items.at(-1)?.id ?? '']) : null };
      },
    },

    async close() {
      close();
    },
  };
}

function recordOf(row: Row): TenantRecord {
  return {
    tenant: String(row.tenant) as Tenant,
    name: String(row.name) as TenantName,
    status: String(row.status) as TenantStatus,
    version: Number(row.version),
    settings: storedSettings(row.settings),
    createdAtMs: Number(row.created_at_ms),
    updatedAtMs: Number(row.updated_at_ms),
  };
}

function entryOf(row: Row): AuditEntry {
  return {
    id: String(row.id),
    atMs: Number(row.at_ms),
    by: String(row.done_by),
    action: String(row.action),
    tenant: row.tenant === null ? null : (String(row.tenant) as Tenant),
    detail: parseColumn<AuditEntry['detail']>('detail', row.detail) ?? {},
  };
}
