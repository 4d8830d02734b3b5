// Who the tenants are, and what administrators did. A set-up with one owner has neither: what is not in the registry is
// governed by the installation's own settings. Records hold references to secrets, never secrets.
import type { SessionKey, Tenant } from '../ids.ts';
import type { BotId, TenantName, TenantRecord, TenantSettings, TenantStatus } from '../tenants.ts';
import type { ListOptions, Page } from './store.ts';

/** Every change writes its line of the audit log in the same step. `by`: who did it, as the caller knows them. */
export interface TenantRegistry {
  /** Conflict('tenant-exists'), Conflict('bot-taken') when a bot belongs to another tenant. */
  add(name: TenantName, settings: TenantSettings, by: string): Promise<TenantRecord>;
  /** null when there is none; strongly consistent. */
  get(tenant: Tenant): Promise<TenantRecord | null>;
  /** The tenant that a bot belongs to, whatever its status. */
  findBot(channel: string, bot: BotId): Promise<TenantRecord | null>;
  /** In the order of their ids. */
  list(options?: ListOptions): Promise<Page<TenantRecord>>;
  /**
   * Replaces settings, status or both, if the record still has `version`. Conflict('tenant-changed') otherwise,
   * Conflict('bot-taken'), Gone('unknown-tenant').
   */
  set(tenant: Tenant, change: TenantChange, version: number, by: string): Promise<TenantRecord>;
  /** Forgets the record and frees its bots. Removing what is not there is no error. Conflict('tenant-changed'). */
  remove(tenant: Tenant, version: number, by: string): Promise<void>;
  readonly audit: AuditLog;
  close(): Promise<void>;
}

export interface TenantChange {
  readonly settings?: TenantSettings;
  readonly status?: TenantStatus;
}

/** What was done by whom. It outlives the tenant that it was done to, and holds no content of chats and no secret. */
export interface AuditLog {
  append(act: AdministrativeAct): Promise<AuditEntry>;
  /** Newest first; `tenant` narrows to one. */
  list(options?: ListOptions & { readonly tenant?: Tenant }): Promise<Page<AuditEntry>>;
}

export interface AdministrativeAct {
  readonly by: string;
  /** A word such as `tenant-disabled`, `chat-erased`. */
  readonly action: string;
  /** null: it was done to the installation. */
  readonly tenant: Tenant | null;
  /** Facts such as counts and names of fields. */
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

export interface AuditEntry extends AdministrativeAct {
  readonly id: string;
  readonly atMs: number;
}

/**
 * All that a session store, its queue and its event log keep under one tenant's keys, expired or not. For erasure, which
 * has to show that nothing is left; it may read everything there is, so it is for administrators only.
 */
export interface TenantHoldings {
  /** The conversations that anything names. */
  conversations(tenant: Tenant): Promise<readonly SessionKey[]>;
  /** How much there is of each kind; kinds of which there is nothing are listed with 0. */
  count(tenant: Tenant): Promise<Readonly<Record<string, number>>>;
  /** Removes what is there. Whoever runs turns of the tenant must have ended before. */
  erase(tenant: Tenant): Promise<void>;
}
