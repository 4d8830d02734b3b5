// A tenant's record and a line of the audit log as they are stored: one name and one form for each field, whatever holds the
// rows. An adapter says how it reads a field, and adds its keys.
import type { Tenant } from '../../core/ids.ts';
import type { AuditEntry } from '../../core/ports/tenants.ts';
import {
  type TenantName,
  type TenantRecord,
  type TenantStatus,
  tenantSettingsSchema,
} from '../../core/tenants.ts';
import { storeError } from './errors.ts';

/** The fields of one row, by name. */
export interface StoredFields {
  text(name: string): string;
  number(name: string): number;
  /** null where the row has none. */
  optional(name: string): string | null;
}

export function tenantRow(record: TenantRecord) {
  return {
    tenant: record.tenant,
    name: record.name,
    status: record.status,
    version: record.version,
    settings: JSON.stringify(record.settings),
    created_at_ms: record.createdAtMs,
    updated_at_ms: record.updatedAtMs,
  };
}

/** Corrupt('record-unreadable'). */
export function readTenant({ text, number }: StoredFields): TenantRecord {
  return {
    tenant: text('tenant') as Tenant,
    name: text('name') as TenantName,
    status: text('status') as TenantStatus,
    version: number('version'),
    settings: parsed(text('settings'), 'tenant', (value) => tenantSettingsSchema.parse(value)),
    createdAtMs: number('created_at_ms'),
    updatedAtMs: number('updated_at_ms'),
  };
}

/** Without its id, which is the key. */
export function auditRow({ atMs, by, action, tenant, detail }: AuditEntry) {
  return { at_ms: atMs, done_by: by, action, tenant, detail: JSON.stringify(detail) };
}

/** Corrupt('record-unreadable'). */
export function readAuditEntry(id: string, { text, number, optional }: StoredFields): AuditEntry {
  return {
    id,
    atMs: number('at_ms'),
    by: text('done_by'),
    action: text('action'),
    tenant: optional('tenant') as Tenant | null,
    detail: parsed(optional('detail') ?? '{}', 'audit entry', (value) => value as AuditEntry['detail']),
  };
}

function parsed<T>(json: string, record: string, read: (value: unknown) => T): T {
  try {
    return read(JSON.parse(json));
  } catch (cause) {
    throw storeError('record-unreadable', { cause, data: { record } });
  }
}
