// `vault set|list|remove`: credentials that tools need (docs/tools-and-credentials.md), of the installation's owner, of a tenant
// or of one person. A value is read from standard input or a prompt, never from the command line, which other programs of
// this machine can see; and it is never printed.

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Gone, Invalid } from '../core/errors.ts';
import type { Person, Tenant } from '../core/ids.ts';
import type { ListedEntry } from '../core/ports.ts';
import { checkEntry, isOwnName, person } from '../core/vault.ts';
import type { Stores } from '../local/stores.ts';
import { cutText } from '../text/cut-text.ts';
import { harmless } from '../text/harmless.ts';
import { noteAct } from './administrator.ts';
import { confirm } from './confirm.ts';
import type { CliContext, DataOptions } from './context.ts';
import { tenantOption, withStores } from './lookup.ts';
import { requireTenant } from './tenants.ts';

export interface VaultOptions extends DataOptions {
  readonly person?: string;
}

export async function set(context: CliContext, name: string, options: VaultOptions): Promise<void> {
  const { terminal } = context;
  const whose = personOption(options);
  requireOwnName(name);
  await withStores(
    context,
    options,
    async (stores) => {
      const tenant = await knownTenant(stores, options);
      const value = usable(await readValue(context, `Value of ${name}: `));
      await stores.vault.set({ tenant, person: whose, name }, value);
      await noteAct(context, stores, 'credential-set', tenant, { name, ...(whose && { person: whose }) });
      if (options.json) return terminal.json({ set: name, person: whose });
      terminal.line(`Stored ${name}${whose ? ` of ${harmless(whose)}` : ''}. Turns use it from now on.`);
    },
    { create: true },
  );
}

export async function list(context: CliContext, options: DataOptions): Promise<void> {
  const { terminal } = context;
  await withStores(context, options, async ({ vault }) => {
    const entries = await vault.list(tenantOption(options));
    if (options.json) return terminal.json({ credentials: entries.map(viewOf) });
    if (entries.length === 0) return terminal.note('No credentials are stored.');
    terminal.table(
      ['NAME', 'PERSON', 'CHANGED (UTC)'],
      entries.map(({ name, person: whose, changedAtMs }) => [
        name,
        whose === null ? '-' : harmless(whose),
        new Date(changedAtMs).toISOString().replace(/T(\d\d:\d\d).*/, ' $1'),
      ]),
    );
  });
}

export async function remove(
  context: CliContext,
  name: string | undefined,
  options: VaultOptions & { readonly yes?: boolean },
): Promise<void> {
  const { terminal } = context;
  const whose = personOption(options);
  const tenant = tenantOption(options);
  if (name === undefined && whose === null) {
    throw new Invalid('usage', 'Name the credential, or the person whose credentials are to go.', {
      advice: '`vault list` shows what is stored.',
    });
  }
  if (name !== undefined) checkEntry({ tenant, person: whose, name });
  await withStores(context, options, async (stores) => {
    const { vault } = stores;
    const known = (await vault.list(tenant)).filter((entry) => entry.person === whose);
    const chosen = name === undefined ? known : known.filter((entry) => entry.name === name);
    if (chosen.length === 0) {
      throw new Gone('unknown-credential', name ? `There is no credential "${name}".` : 'There are none.', {
        advice: '`hybrid-sessions vault list` shows all of them.',
      });
    }
    const names = chosen.map((entry) => entry.name);
    if (!options.yes) await confirm(context, `Remove ${names.join(', ')}?`, 'Nothing was removed.');
    for (const entry of chosen) {
      if (!(await vault.remove(entry))) continue;
      const detail = { name: entry.name, ...(whose && { person: whose }) };
      await noteAct(context, stores, 'credential-removed', tenant, detail);
    }
    if (options.json) return terminal.json({ removed: names, person: whose });
    terminal.line(`Removed ${names.join(', ')}.`);
  });
}

const viewOf = ({ name, person: whose, changedAtMs }: ListedEntry) => ({
  name,
  person: whose,
  changed_at: new Date(changedAtMs).toISOString(),
});

function personOption(options: VaultOptions): Person | null {
  return options.person === undefined ? null : person(options.person);
}

function requireOwnName(name: string): void {
  if (isOwnName(name)) return;
  throw new Invalid('bad-credential-name', `"${harmless(cutText(name, 80))}" is no name for a credential.`, {
    advice: 'Use 1 to 64 letters, digits, ".", "_" and "-", beginning with a letter or digit.',
  });
}

/** A slip in the name would store the value where no turn ever looks. */
async function knownTenant({ tenants }: Stores, options: DataOptions): Promise<Tenant> {
  if (options.tenant !== undefined) await requireTenant(tenants, options.tenant);
  return tenantOption(options);
}

/** It becomes a part of a header. */
function usable(value: string): string {
  const bare = value.replace(/\r?\n$/, '');
  if (/^[\x20-\x7e]+$/.test(bare) && bare.trim() === bare) return bare;
  throw new Invalid('bad-credential', 'This value cannot be sent in a header.', {
    advice: 'Give one line of visible ASCII characters, without blanks around it.',
  });
}

/** What is typed is not shown. */
async function readValue({ terminal }: CliContext, prompt: string): Promise<string> {
  if (!terminal.interactive) return await text(process.stdin);
  terminal.note(prompt);
  const unseen = new Writable({ write: (_piece, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: unseen, terminal: true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
  }
}
