// `tenants add|list|show|set|disable|enable|erase|audit`: the registry of tenants, beside a running server or on AWS.
// What changes is in force within seconds. Every change has its line in the audit log.
import { Gone, Invalid } from '../core/errors.ts';
import { tenantId } from '../core/ids.ts';
import type { AuditEntry } from '../core/ports.ts';
import type { TenantRecord, TenantStatus } from '../core/tenants.ts';
import type { Stores } from '../local/stores.ts';
import { eraseTenant, listHoldings } from '../tenants/erase.ts';
import { harmless } from '../text/harmless.ts';
import { administrator } from './administrator.ts';
import { confirm } from './confirm.ts';
import type { CliContext, DataOptions } from './context.ts';
import { withStores } from './lookup.ts';
import { agentNotes } from './tenant-agent-notes.ts';
import {
  changeSettings,
  checkSettings,
  readSettingsFile,
  readTenantName,
  type TenantOptions,
} from './tenant-settings.ts';

export async function add(
  context: CliContext,
  given: string,
  options: DataOptions & TenantOptions,
): Promise<void> {
  const name = readTenantName(given);
  const file = options.settings === undefined ? {} : readSettingsFile(context.cwd, options.settings).settings;
  const settings = changeSettings(checkSettings(file, options.settings ?? 'tenant'), options);
  await withStores(
    context,
    options,
    async ({ tenants }) => {
      const record = await tenants.add(name, settings, administrator(context));
      report(context, options, record, `Added ${name}.`);
      noteWhoGetsIn(context, record);
      for (const note of await agentNotes(context, options, record)) context.terminal.note(note);
    },
    { create: true },
  );
}

export async function list(context: CliContext, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ tenants }) => {
    const records: TenantRecord[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null) {
      const page = await tenants.list({ limit: 200, ...(cursor && { cursor }) });
      records.push(...page.items);
      cursor = page.cursor;
    }
    if (options.json) return terminal.json({ tenants: records.map(viewOf) });
    if (records.length === 0) {
      return terminal.note('No tenants: everything belongs to the one that the configuration describes.');
    }
    terminal.table(
      ['NAME', 'STATUS', 'BOTS', 'CHANGED (UTC)', 'TITLE'],
      records.map(({ name, status, settings, updatedAtMs }) => [
        name,
        status,
        settings.bots.map(({ channel, bot }) => `${channel}/${bot}`).join(' ') || '-',
        new Date(updatedAtMs).toISOString().replace(/T(\d\d:\d\d).*/, ' $1'),
        harmless(settings.title ?? ''),
      ]),
    );
  });
}

export async function show(context: CliContext, given: string, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ tenants }) => {
    const record = await requireTenant(tenants, given);
    if (options.json) return terminal.json(viewOf(record));
    terminal.line(`${terminal.style('bold', record.name)} (${record.status}), version ${record.version}`);
    terminal.line(`added    ${new Date(record.createdAtMs).toISOString()}`);
    terminal.line(`changed  ${new Date(record.updatedAtMs).toISOString()}`);
    terminal.line(JSON.stringify(record.settings, null, 2));
  });
}

export async function set(
  context: CliContext,
  given: string,
  options: DataOptions & TenantOptions,
): Promise<void> {
  await withStores(context, options, async ({ tenants }) => {
    const before = await requireTenant(tenants, given);
    const file = options.settings === undefined ? null : readSettingsFile(context.cwd, options.settings);
    const from = file ? checkSettings(file.settings, options.settings ?? '') : before.settings;
    const settings = changeSettings(from, options);
    // A file that was made from an older version must not undo what somebody changed since.
    const version = file?.version ?? before.version;
    const record = await tenants.set(before.tenant, { settings }, version, administrator(context));
    report(context, options, record, `Changed ${record.name} (version ${record.version}).`);
    noteWhoGetsIn(context, record);
    for (const note of await agentNotes(context, options, record)) context.terminal.note(note);
  });
}

export async function setStatus(
  context: CliContext,
  given: string,
  status: Extract<TenantStatus, 'active' | 'disabled'>,
  options: DataOptions,
): Promise<void> {
  await withStores(context, options, async ({ tenants }) => {
    const before = await requireTenant(tenants, given);
    if (before.status === 'erasing') {
      throw new Invalid('tenant-erasing', `${before.name} is being erased.`, {
        advice: 'Run `tenants erase` again to finish that.',
      });
    }
    const record =
      before.status === status
        ? before
        : await tenants.set(before.tenant, { status }, before.version, administrator(context));
    const words =
      status === 'disabled'
        ? `Switched off ${record.name}: whoever writes is told so within seconds; everything is kept.`
        : `Switched on ${record.name}.`;
    report(context, options, record, words);
  });
}

export async function erase(
  context: CliContext,
  given: string,
  options: DataOptions & { yes?: boolean },
): Promise<void> {
  const { terminal } = context;
  const name = readTenantName(given);
  const tenant = tenantId(name);
  await withStores(context, options, async (stores) => {
    const record = await stores.tenants.get(tenant);
    const held = await listHoldings(stores, tenant);
    if (!options.yes) {
      const what = Object.entries(held).map(([kind, count]) => `${count} ${kind}`);
      await confirm(context, `Erase ${name} for good: ${what.join(', ')}?`, 'Nothing was erased.');
    }
    const erased = await eraseTenant(stores, tenant, { by: administrator(context) });
    const secrets = record?.settings.bots.flatMap((bot) => Object.values(bot.secrets).flat()) ?? [];
    if (options.json) return terminal.json({ erased: name, ...erased, secrets });
    const { chats, held: before, left } = erased;
    terminal.line(`Erased ${name} (${chats} chats, ${before.objects} objects). Listed afterwards:`);
    terminal.table(
      ['KIND', 'LEFT'],
      Object.entries(left).map(([kind, count]) => [kind, String(count)]),
    );
    if (secrets.length > 0) {
      terminal.note(`Its secrets are where they were: remove ${secrets.join(', ')} yourself.`);
    }
  });
}

export async function audit(
  context: CliContext,
  options: DataOptions & { tenant?: string; limit: number },
): Promise<void> {
  const { terminal } = context;
  const narrowed = options.tenant === undefined ? {} : { tenant: tenantId(readTenantName(options.tenant)) };
  await withStores(context, options, async ({ tenants }) => {
    const entries: AuditEntry[] = [];
    let cursor: string | null | undefined;
    while (cursor !== null && entries.length < options.limit) {
      const limit = Math.min(200, options.limit - entries.length);
      const page = await tenants.audit.list({ ...narrowed, limit, ...(cursor && { cursor }) });
      entries.push(...page.items);
      cursor = page.cursor;
    }
    if (options.json) return terminal.json({ audit: entries, more: cursor !== null && cursor !== undefined });
    if (entries.length === 0) return terminal.note('Nothing was done yet.');
    terminal.table(
      ['WHEN (UTC)', 'WHO', 'WHAT', 'WHOSE', 'DETAIL'],
      entries.map(({ atMs, by, action, tenant, detail }) => [
        new Date(atMs).toISOString().replace(/T(.*)\.\d+Z$/, ' $1'),
        harmless(by),
        action,
        tenant ?? '-',
        Object.entries(detail)
          .map(([name, value]) => `${name}=${harmless(String(value))}`)
          .join(' '),
      ]),
    );
  });
}

/** Gone('unknown-tenant') that names it. */
export async function requireTenant(tenants: Stores['tenants'], given: string): Promise<TenantRecord> {
  const record = await tenants.get(tenantId(readTenantName(given)));
  if (record) return record;
  throw new Gone('unknown-tenant', `There is no tenant "${given}".`, {
    advice: '`hybrid-sessions tenants list` shows all of them.',
  });
}

/** What `--settings` takes back. */
export function viewOf(record: TenantRecord) {
  const { name, status, version, settings, createdAtMs, updatedAtMs } = record;
  const times = {
    created_at: new Date(createdAtMs).toISOString(),
    updated_at: new Date(updatedAtMs).toISOString(),
  };
  return { name, status, version, ...times, settings };
}

function report({ terminal }: CliContext, options: DataOptions, record: TenantRecord, words: string): void {
  if (options.json) terminal.json(viewOf(record));
  else terminal.line(words);
}

/** Lists fail closed, so a bot that lets nobody in looks like one that is broken. */
function noteWhoGetsIn({ terminal }: CliContext, { settings }: TenantRecord): void {
  const closed = new Set(
    settings.bots
      .map(({ channel }) => channel)
      .filter((channel) => {
        const { users = [], groups = [] } = settings.access[channel] ?? {};
        return users.length === 0 && groups.length === 0;
      }),
  );
  for (const channel of closed) {
    terminal.note(
      `Nobody may write on ${channel} yet: --allow-users ${channel}=<ids>, or ${channel}=anyone.`,
    );
  }
}
