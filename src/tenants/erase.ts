// Removes all that is held of a tenant, then shows it by listing what is left. It may be cut off anywhere and run again:
// the record goes last, so that a tenant half erased is still known, and answers nobody meanwhile.
//
//   record: erasing -> workers stop taking its turns -> chat by chat (a running turn is asked to stop) -> all rows and
//   objects under its keys -> list again -> record and bots go
import { setTimeout as pause } from 'node:timers/promises';
import { Conflict, Refused } from '../core/errors.ts';
import { type SessionKey, type Tenant, tenantOf } from '../core/ids.ts';
import type {
  DeadLetter,
  ObjectStore,
  Page,
  ScheduleStore,
  SessionState,
  SessionStore,
  TenantHoldings,
  TenantRegistry,
  TurnQueue,
  Vault,
} from '../core/ports.ts';
import { stopTurns } from '../core/stop.ts';
import { DIRECTORY_MS } from './directory.ts';

export interface EraseTenantDeps {
  readonly store: SessionStore;
  readonly state: SessionState;
  readonly objects: ObjectStore;
  readonly tenants: TenantRegistry;
  readonly holdings: TenantHoldings;
  /** Where erasing rows is not enough: timers of a platform are no rows. */
  readonly schedules?: Pick<ScheduleStore, 'erase'>;
  readonly queue: Pick<TurnQueue, 'deadLetters'>;
  readonly vault: Pick<Vault, 'list' | 'remove'>;
}

export interface EraseTenantOptions {
  readonly by: string;
  /** How long running turns may take to stop. @default 60_000 */
  readonly waitMs?: number;
  /** How long workers may still go by what they read of the tenant before. @default what they remember it for */
  readonly settleMs?: number;
}

export interface TenantErased {
  readonly chats: number;
  /** What there was at the beginning, by kind. */
  readonly held: Readonly<Record<string, number>>;
  /** What the listing afterwards found, by kind: all 0, or this was not returned. */
  readonly left: Readonly<Record<string, number>>;
}

const STOP_EVERY_MS = 500;
const DELETED_AT_ONCE = 500;

export async function eraseTenant(
  deps: EraseTenantDeps,
  tenant: Tenant,
  { by, waitMs = 60_000, settleMs = DIRECTORY_MS }: EraseTenantOptions,
): Promise<TenantErased> {
  const { tenants, holdings } = deps;
  if (await markErasing(tenants, tenant, by)) await pause(settleMs);
  const held = await listHoldings(deps, tenant);
  const keys = await holdings.conversations(tenant);
  const untilMs = Date.now() + waitMs;
  for (const key of keys) {
    await eraseWhenFree(deps, key, untilMs);
    await deps.schedules?.erase(key);
  }
  for (const { id } of await deadLettersOf(deps.queue, tenant)) await deps.queue.deadLetters.drop(id);
  await holdings.erase(tenant);
  for (const entry of await deps.vault.list(tenant)) await deps.vault.remove(entry);
  await eraseObjects(deps.objects, tenant);
  const left = await listHoldings(deps, tenant);
  if (Object.values(left).some((count) => count > 0)) {
    const what = Object.entries(left).flatMap(([kind, count]) => (count > 0 ? [`${count} ${kind}`] : []));
    throw new Conflict('not-erased', `Something came back while it was erased: ${what.join(', ')}.`, {
      advice: 'Run the command again.',
      data: { left },
    });
  }
  const record = await tenants.get(tenant);
  if (record) await tenants.remove(tenant, record.version, by);
  const detail = { chats: keys.length, sessions: held.sessions ?? 0, objects: held.objects ?? 0 };
  await tenants.audit.append({ by, action: 'tenant-erased', tenant, detail });
  return { chats: keys.length, held, left };
}

/** What is held now, objects included; the record itself is not counted. */
export async function listHoldings(
  { holdings, objects, queue, vault }: Pick<EraseTenantDeps, 'holdings' | 'objects' | 'queue' | 'vault'>,
  tenant: Tenant,
): Promise<Readonly<Record<string, number>>> {
  let count = 0;
  for await (const _ of objects.list(`${tenant}/`)) count++;
  const letters = await deadLettersOf(queue, tenant);
  return {
    ...(await holdings.count(tenant)),
    'dead letters': letters.length,
    objects: count,
    credentials: (await vault.list(tenant)).length,
  };
}

async function deadLettersOf(
  { deadLetters }: EraseTenantDeps['queue'],
  tenant: Tenant,
): Promise<DeadLetter[]> {
  const found: DeadLetter[] = [];
  let cursor: string | null | undefined;
  while (cursor !== null) {
    const page: Page<DeadLetter> = await deadLetters.list({ limit: 200, ...(cursor && { cursor }) });
    found.push(...page.items.filter(({ request }) => tenantOf(request.sessionKey) === tenant));
    cursor = page.cursor;
  }
  return found;
}

/** False where there is no record, or it says so already and nobody goes by anything else any more. */
async function markErasing(tenants: TenantRegistry, tenant: Tenant, by: string): Promise<boolean> {
  const record = await tenants.get(tenant);
  if (!record) return false;
  if (record.status !== 'erasing') await tenants.set(tenant, { status: 'erasing' }, record.version, by);
  return true;
}

/** Refused('turn-running') when a turn does not stop in time. */
async function eraseWhenFree(deps: EraseTenantDeps, key: SessionKey, untilMs: number): Promise<void> {
  for (;;) {
    try {
      const sessions = await deps.store.erase(key);
      for (const session of sessions) await deps.state.erase(tenantOf(key), session);
      return;
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'lease-busy') throw error;
      if (Date.now() >= untilMs) {
        throw new Conflict('turn-running', 'A turn of this tenant is running and did not stop in time.', {
          cause: error,
          advice: 'Wait until it has ended, then run the command again: it goes on where it stopped.',
        });
      }
      await stopTurns(deps.store, key);
      await pause(STOP_EVERY_MS);
    }
  }
}

async function eraseObjects(objects: ObjectStore, tenant: Tenant): Promise<void> {
  const some: string[] = [];
  for await (const { key } of objects.list(`${tenant}/`)) {
    some.push(key);
    if (some.length === DELETED_AT_ONCE) await objects.delete(some.splice(0));
  }
  await objects.delete(some);
}
