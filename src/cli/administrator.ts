// Who the audit log names: what an administrator says of themselves, else this machine's user. It is a note, no proof;
// on AWS, CloudTrail has the role that really called.
import { hostname, userInfo } from 'node:os';
import type { Tenant } from '../core/ids.ts';
import type { AdministrativeAct } from '../core/ports.ts';
import type { Stores } from '../local/stores.ts';
import type { CliContext } from './context.ts';

export function administrator({ env }: Pick<CliContext, 'env'>): string {
  return env.HYBRID_SESSIONS_ADMIN || `${userName()}@${hostname()}`;
}

/** A user id without a name (in a container) has none. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Ids and counts only: the line is kept when what it tells of is gone. */
export async function noteAct(
  context: Pick<CliContext, 'env'>,
  { tenants }: Pick<Stores, 'tenants'>,
  action: string,
  tenant: Tenant | null,
  detail: AdministrativeAct['detail'],
): Promise<void> {
  await tenants.audit.append({ by: administrator(context), action, tenant, detail });
}
