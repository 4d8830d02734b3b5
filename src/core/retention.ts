// How long a tenant's conversations are kept. What is written at accept, begin and commit carries its end with it; the
// sweep goes by that.
import type { Tenant } from './ids.ts';

/** Seconds; null: as long as the installation says. */
export type RetentionOf = (tenant: Tenant) => Promise<number | null>;
