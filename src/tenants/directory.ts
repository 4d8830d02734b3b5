// What running programs go by: the registry's records, remembered for a moment, so that a turn costs no read of its own.
// A change is in force everywhere after that moment. Where there is no record, the default tenant is governed by the
// installation's settings, and any other name is nobody's.
import { DAY_SEC, DEFAULT_TENANT } from '../core/defaults.ts';
import { type Tenant, tenantOf } from '../core/ids.ts';
import type { TurnRequest } from '../core/messages.ts';
import type { Clock, TenantRegistry } from '../core/ports.ts';
import type { RetentionOf } from '../core/retention.ts';
import type { Standing } from '../core/standing.ts';
import type { BotId, TenantRecord } from '../core/tenants.ts';

/** How long a record is remembered. */
export const DIRECTORY_MS = 5_000;
const MAX_REMEMBERED = 10_000;

export interface TenantDirectory {
  /** null: there is no record. Throws where the registry cannot be read, unless it could a moment ago. */
  of(tenant: Tenant): Promise<TenantRecord | null>;
  bot(channel: string, bot: string): Promise<TenantRecord | null>;
  readonly retentionOf: RetentionOf;
  /** Whether a message may be taken in, or a turn begin. */
  standing(request: Pick<TurnRequest, 'sessionKey'>): Promise<Standing>;
}

export function createTenantDirectory(
  registry: Pick<TenantRegistry, 'get' | 'findBot'>,
  clock: Pick<Clock, 'now'>,
): TenantDirectory {
  const known = new Map<
    string,
    { readonly record: Promise<TenantRecord | null>; readonly untilMs: number }
  >();

  function remembered(key: string, read: () => Promise<TenantRecord | null>): Promise<TenantRecord | null> {
    const before = known.get(key);
    if (before && before.untilMs > clock.now()) return before.record;
    const record = read();
    known.delete(key);
    known.set(key, { record, untilMs: clock.now() + DIRECTORY_MS });
    // A failure is nobody's answer for the next five seconds.
    record.catch(() => {
      if (known.get(key)?.record === record) known.delete(key);
    });
    const oldest = known.keys().next();
    if (known.size > MAX_REMEMBERED && !oldest.done) known.delete(oldest.value);
    return record;
  }

  const of = (tenant: Tenant) => remembered(`tenant ${tenant}`, () => registry.get(tenant));
  return {
    of,
    bot: (channel, bot) => remembered(`bot ${channel} ${bot}`, () => registry.findBot(channel, bot as BotId)),
    async retentionOf(tenant) {
      const days = (await of(tenant))?.settings.retentionDays ?? null;
      return days === null ? null : days * DAY_SEC;
    },
    async standing({ sessionKey }) {
      const tenant = tenantOf(sessionKey);
      const record = await of(tenant);
      if (record === null) return tenant === DEFAULT_TENANT ? 'active' : 'gone';
      return record.status === 'erasing' ? 'gone' : record.status;
    },
  };
}
