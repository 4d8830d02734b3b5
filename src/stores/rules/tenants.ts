// The rules of a tenant registry: what a change makes of a record, and the line of the audit log that goes with it.
// Adapters write both in one step. Bots are unique over all tenants; each adapter keeps that with its own means.
import { Conflict, Gone, type HybridError, Invalid } from '../../core/errors.ts';
import { tenantId } from '../../core/ids.ts';
import type { AdministrativeAct, AuditEntry, TenantChange } from '../../core/ports/tenants.ts';
import {
  botKey,
  type TenantBot,
  type TenantName,
  type TenantRecord,
  type TenantSettings,
} from '../../core/tenants.ts';
import { type ErrorEntry, errorOf } from './errors.ts';

export const tenantErrors = {
  'tenant-exists': {
    family: Conflict,
    message: 'There is a tenant of this name already.',
    advice: 'Change it with `hybrid-sessions tenants set`, or take another name.',
  },
  'bot-taken': {
    family: Conflict,
    message: 'A bot belongs to another tenant.',
    advice: 'A bot can have one tenant only: take it out of the other one first, or name another bot.',
  },
  'tenant-changed': {
    family: Conflict,
    message: 'Somebody else changed this tenant meanwhile.',
    advice: 'Look at it again, then repeat the change.',
  },
  'unknown-tenant': {
    family: Gone,
    message: 'There is no such tenant.',
    advice: 'List them with `hybrid-sessions tenants list`.',
  },
  'tenant-too-large': {
    family: Invalid,
    message: "The tenant's settings are too large.",
    advice: 'All settings of a tenant may have 300,000 bytes as JSON: shorten the lists of people.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type TenantErrorCode = keyof typeof tenantErrors;

export function tenantError(code: TenantErrorCode, data: Record<string, unknown> = {}): HybridError {
  return errorOf(code, tenantErrors[code], { data });
}

/** A record and its line of the audit log, to be written in one step. */
export interface TenantWrite {
  readonly record: TenantRecord;
  readonly entry: AuditEntry;
  /** Bots that the record has and had not, and the other way round. */
  readonly gained: readonly TenantBot[];
  readonly lost: readonly TenantBot[];
}

const MAX_SETTINGS_BYTES = 300_000;

/** What is said of settings before anything is read. Invalid('tenant-too-large'). */
export function requireSmallSettings(settings: TenantSettings | undefined): void {
  if (settings === undefined || Buffer.byteLength(JSON.stringify(settings)) <= MAX_SETTINGS_BYTES) return;
  throw tenantError('tenant-too-large');
}

export function newTenant(
  name: TenantName,
  settings: TenantSettings,
  by: string,
  nowMs: number,
): TenantWrite {
  const tenant = tenantId(name);
  const times = { createdAtMs: nowMs, updatedAtMs: nowMs };
  return {
    record: { tenant, name, status: 'active', version: 1, settings, ...times },
    entry: auditEntry({ by, action: 'tenant-added', tenant, detail: { version: 1 } }, nowMs),
    gained: settings.bots,
    lost: [],
  };
}

/** Gone('unknown-tenant'), Conflict('tenant-changed'). */
export function requireVersion(record: TenantRecord | null | undefined, version: number): TenantRecord {
  if (!record) throw tenantError('unknown-tenant');
  if (record.version === version) return record;
  throw tenantError('tenant-changed', { version: record.version });
}

const STATUS_ACTIONS = {
  active: 'tenant-enabled',
  disabled: 'tenant-disabled',
  erasing: 'tenant-erasing',
} as const;

export function changedTenant(
  found: TenantRecord | null | undefined,
  change: TenantChange,
  version: number,
  by: string,
  nowMs: number,
): TenantWrite {
  const before = requireVersion(found, version);
  const { settings = before.settings, status = before.status } = change;
  const record = { ...before, settings, status, version: version + 1, updatedAtMs: nowMs };
  const changedKey = keyChange(before.settings, settings);
  const action = status === before.status ? (changedKey?.action ?? 'tenant-changed') : STATUS_ACTIONS[status];
  const fields = changedFields(before.settings, settings);
  const detail = {
    version: record.version,
    ...(fields.length > 0 && { fields: fields.join(', ') }),
    ...(changedKey && { key: changedKey.id }),
  };
  return {
    record,
    entry: auditEntry({ by, action, tenant: before.tenant, detail }, nowMs),
    gained: without(settings.bots, before.settings.bots),
    lost: without(before.settings.bots, settings.bots),
  };
}

/** A key that came or went has a word of its own, and is named by its id. */
function keyChange(before: TenantSettings, after: TenantSettings) {
  const idsOf = ({ apiKeys }: TenantSettings) => apiKeys.map(({ id }) => id);
  const [old, now] = [idsOf(before), idsOf(after)];
  const added = now.find((id) => !old.includes(id));
  if (added !== undefined) return { action: 'api-key-added', id: added };
  const revoked = old.find((id) => !now.includes(id));
  return revoked === undefined ? null : { action: 'api-key-revoked', id: revoked };
}

export function removedTenant({ tenant, version }: TenantRecord, by: string, nowMs: number): AuditEntry {
  return auditEntry({ by, action: 'tenant-removed', tenant, detail: { version } }, nowMs);
}

let noted = 0;

/** Ids in the order of time, and of one process within a millisecond: a list by id is one by time. */
export function auditEntry(act: AdministrativeAct, nowMs: number): AuditEntry {
  const { by, action, tenant, detail } = act;
  noted = (noted + 1) % 1_000_000;
  const order = [String(nowMs).padStart(15, '0'), String(noted).padStart(6, '0')];
  const id = [...order, crypto.randomUUID().slice(0, 8)].join('-');
  return { id, atMs: nowMs, by: by.slice(0, 200), action, tenant, detail };
}

/** Names of settings that differ; never what is in them. */
function changedFields(before: TenantSettings, after: TenantSettings): string[] {
  const names = Object.keys({ ...before, ...after }) as (keyof TenantSettings)[];
  return names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

function without(bots: readonly TenantBot[], others: readonly TenantBot[]): TenantBot[] {
  const known = new Set(others.map(botKey));
  return bots.filter((bot) => !known.has(botKey(bot)));
}
