// Tenants and the audit log in SQLite, in the file of the sessions. Each write is one transaction.
import { systemClock } from '../../core/clock.ts';
import type { Tenant } from '../../core/ids.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { AdministrativeAct, AuditEntry, TenantRegistry } from '../../core/ports/tenants.ts';
import type { TenantRecord } from '../../core/tenants.ts';
import { decodeCursor, encodeCursor, pageSize } from '../rules/paging.ts';
import { auditRow, readAuditEntry, readTenant, type StoredFields, tenantRow } from '../rules/tenant-rows.ts';
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
import { borrowOrOpen, type Row, type SqliteDatabase } from './database.ts';

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

  function appendAct(entry: AuditEntry): void {
    insert(db, 'audit', { id: entry.id, ...auditRow(entry) });
  }

  function write({ record, entry, gained, lost }: TenantWrite): TenantRecord {
    for (const { channel, bot } of lost) {
      db.run('DELETE FROM tenant_bots WHERE channel = ? AND bot = ?', channel, bot);
    }
    for (const { channel, bot } of gained) {
      const sql = 'INSERT OR IGNORE INTO tenant_bots (channel, bot, tenant) VALUES (?, ?, ?)';
      if (db.run(sql, channel, bot, record.tenant) === 0) throw tenantError('bot-taken');
    }
    insert(db, 'tenants', tenantRow(record));
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
  return readTenant(fieldsOf(row));
}

function entryOf(row: Row): AuditEntry {
  return readAuditEntry(String(row.id), fieldsOf(row));
}

function fieldsOf(row: Row): StoredFields {
  return {
    text: (name) => String(row[name]),
    number: (name) => Number(row[name]),
    optional: (name) => (row[name] === null ? null : String(row[name])),
  };
}

type Column = string | number | null;

function insert(db: SqliteDatabase, into: string, row: Readonly<Record<string, Column>>): void {
  const names = Object.keys(row);
  const places = names.map(() => '?').join(', ');
  db.run(`INSERT OR REPLACE INTO ${into} (${names.join(', ')}) VALUES (${places})`, ...Object.values(row));
}
