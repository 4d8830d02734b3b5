// `tenants keys add|list|revoke`: the keys by which a tenant's own programs use the HTTP API. A key is printed when it is made;
// the registry has its id and a digest.
import { systemClock } from '../core/clock.ts';
import { SCOPES, type Scope } from '../core/scopes.ts';
import { withNewKey, withoutKey } from '../tenants/api-keys.ts';
import { administrator } from './administrator.ts';
import type { CliContext, DataOptions } from './context.ts';
import { withStores } from './lookup.ts';
import { requireTenant } from './tenants.ts';

export async function add(
  context: CliContext,
  given: string,
  options: DataOptions & { readonly scope?: readonly Scope[] },
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ tenants }) => {
    const { tenant, name, version, settings: before } = await requireTenant(tenants, given);
    const { settings, key, entry } = withNewKey(name, before, systemClock.now(), options.scope);
    await tenants.set(tenant, { settings }, version, administrator(context));
    if (options.json)
      return terminal.json({ tenant: name, id: entry.id, scopes: entry.scopes ?? SCOPES, key });
    terminal.line(key);
    terminal.note(`This is key ${entry.id} of ${name}. It is not shown again.`);
    const [old] = before.apiKeys;
    if (old) terminal.note(`When it is in use everywhere: \`tenants keys revoke ${name} ${old.id}\`.`);
  });
}

export async function list(context: CliContext, given: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ tenants }) => {
    const { name, settings } = await requireTenant(tenants, given);
    const keys = settings.apiKeys.map(({ id, scopes = SCOPES, createdAtMs }) => ({
      id,
      scopes,
      created_at: new Date(createdAtMs).toISOString(),
    }));
    if (options.json) return terminal.json({ tenant: name, keys });
    if (keys.length === 0) return terminal.note(`${name} has no key: \`tenants keys add ${name}\`.`);
    terminal.table(
      ['ID', 'MAY', 'MADE (UTC)'],
      keys.map((key) => [key.id, key.scopes.join(', '), key.created_at.replace(/T(\d\d:\d\d).*/, ' $1')]),
    );
  });
}

export async function revoke(
  context: CliContext,
  given: string,
  id: string,
  options: DataOptions,
): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ tenants }) => {
    const { tenant, name, version, settings } = await requireTenant(tenants, given);
    await tenants.set(tenant, { settings: withoutKey(settings, id) }, version, administrator(context));
    if (options.json) return terminal.json({ tenant: name, revoked: id });
    terminal.line(`Key ${id} of ${name} is refused within seconds.`);
  });
}
