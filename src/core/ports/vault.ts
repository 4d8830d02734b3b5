// Credentials that tools need: keys which an owner stores, and what people allowed by signing in somewhere. An entry belongs
// to a tenant, or to one person of that tenant. Values go to the side that calls the tool's server, and never to an agent.
import type { Person, Tenant } from '../ids.ts';

export interface VaultEntry {
  readonly tenant: Tenant;
  /** null: the tenant's own. */
  readonly person: Person | null;
  readonly name: string;
}

export interface ListedEntry extends VaultEntry {
  readonly changedAtMs: number;
}

/** Invalid('bad-credential-name'), Invalid('bad-credential') for what cannot be kept; no error holds a value. */
export interface Vault {
  /** null when there is none. Corrupt('credential-unreadable') when it cannot be decrypted. */
  get(entry: VaultEntry): Promise<string | null>;
  /** Stores or replaces. */
  set(entry: VaultEntry, value: string): Promise<void>;
  /** Stores where there is none yet; false where there is. Of several at once exactly one gets true. */
  add(entry: VaultEntry, value: string): Promise<boolean>;
  /** False when there was none. Of several at once exactly one gets true: so what is to be used once can be taken. */
  remove(entry: VaultEntry): Promise<boolean>;
  /** Which entries a tenant has, those of its persons included, in the order of persons and names. No values. */
  list(tenant: Tenant): Promise<readonly ListedEntry[]>;
}
