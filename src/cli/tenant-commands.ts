// Subcommands about owners of bots and data: their settings, keys, and credentials for tools.
import { type Command, Option } from 'commander';
import { SCOPES } from '../core/scopes.ts';
import type { CliContext } from './context.ts';
import { several, whole, withStored, withTenant } from './options.ts';

export function addTenantCommands(program: Command, context: CliContext): void {
  const tenants = program.command('tenants').description('owners of bots and data, where there are several');
  /** Each changes one field of the settings. */
  const withSettings = (command: Command) =>
    withStored(command)
      .option('--settings <file>', 'all settings as JSON, or what `tenants show --json` printed')
      .option('--title <text>', 'for people')
      .option('--model <name>', 'model name; empty takes it back')
      .option('--agent <name>', 'agent folder; empty takes it back')
      .option('--retention-days <number>', 'keep unused conversations so long', whole)
      .option('--bot <channel/bot>', 'adds the bot, or names the one whose secrets change')
      .option('--secret <name=reference>', 'for --bot: env:NAME, file:PATH, ssm:NAME or secret:NAME', several)
      .option('--drop-secret <name=reference>', 'for --bot: no longer accepted', several)
      .option('--remove-bot <channel/bot>', 'takes the bot away')
      .option('--allow-users <channel=ids>', 'who may write; `anyone` for everybody', several)
      .option('--allow-groups <channel=ids>', 'groups in which everybody may', several)
      .option('--json', 'print JSON');

  withSettings(tenants.command('add'))
    .description('make a tenant')
    .argument('<name>', '1 to 40 of a-z, 0-9 and "-"')
    .action(async (name, options) => (await import('./tenants.ts')).add(context, name, options));

  withStored(tenants.command('list'))
    .description('all of them')
    .option('--json', 'print JSON')
    .action(async (options) => (await import('./tenants.ts')).list(context, options));

  withStored(tenants.command('show'))
    .description('one of them with its settings')
    .argument('<name>')
    .option('--json', 'print JSON')
    .action(async (name, options) => (await import('./tenants.ts')).show(context, name, options));

  withSettings(tenants.command('set'))
    .description('change its settings')
    .argument('<name>')
    .action(async (name, options) => (await import('./tenants.ts')).set(context, name, options));

  for (const [verb, status, about] of [
    ['disable', 'disabled', 'switch it off: whoever writes is told so, everything is kept'],
    ['enable', 'active', 'switch it on again'],
  ] as const) {
    withStored(tenants.command(verb))
      .description(about)
      .argument('<name>')
      .option('--json', 'print JSON')
      .action(async (name, options) =>
        (await import('./tenants.ts')).setStatus(context, name, status, options),
      );
  }

  const keys = tenants
    .command('keys')
    .description("a tenant's keys of the HTTP API: several are valid at once, to change one");

  withStored(keys.command('add'))
    .description('make a key and print it, once')
    .argument('<name>')
    .addOption(
      new Option('--scope <scope...>', 'what it may do (default: all of these)').choices([...SCOPES]),
    )
    .option('--json', 'print JSON')
    .action(async (name, options) => (await import('./tenant-keys.ts')).add(context, name, options));

  withStored(keys.command('list'))
    .description('ids of the keys; the keys themselves are not kept')
    .argument('<name>')
    .option('--json', 'print JSON')
    .action(async (name, options) => (await import('./tenant-keys.ts')).list(context, name, options));

  withStored(keys.command('revoke'))
    .description('a key is refused from now on')
    .argument('<name>')
    .argument('<id>')
    .option('--json', 'print JSON')
    .action(async (name, id, options) =>
      (await import('./tenant-keys.ts')).revoke(context, name, id, options),
    );

  withStored(tenants.command('export'))
    .description('write everything that is held about it to a new folder')
    .argument('<name>')
    .argument('[dir]', 'the folder (default: export-tenant-<name>)')
    .option('--json', 'print JSON')
    .action(async (name, dir, options) => {
      process.exitCode = await (await import('./tenant-export.ts')).exportTenant(context, name, dir, options);
    });

  withStored(tenants.command('erase'))
    .description('erase it with everything that is held about it, then list what is left')
    .argument('<name>')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(async (name, options) => (await import('./tenants.ts')).erase(context, name, options));

  withStored(tenants.command('audit'))
    .description('what administrators did, newest first')
    .option('--tenant <name>', 'only to this one')
    .option('--limit <number>', 'at most this many', whole, 50)
    .option('--json', 'print JSON')
    .action(async (options) => (await import('./tenants.ts')).audit(context, options));
}

export function addVaultCommands(program: Command, context: CliContext): void {
  const vault = program
    .command('vault')
    .description("credentials for tools' servers, which agents never see");
  const withPerson = (command: Command) =>
    withTenant(command).option('--person <channel/id>', "one person's, as channel/id");

  withPerson(vault.command('set'))
    .description('store one; its value comes from standard input or a prompt')
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the word as people write it in mcp.json.
    .argument('<name>', 'as mcp.json names it: ${vault:NAME}')
    .option('--json', 'print JSON')
    .action(async (name, options) => (await import('./vault.ts')).set(context, name, options));

  withTenant(vault.command('list'))
    .description('names, whose they are and when they changed; no values')
    .option('--json', 'print JSON')
    .action(async (options) => (await import('./vault.ts')).list(context, options));

  withPerson(vault.command('remove'))
    .description('remove one, or with --person alone all of that person')
    .argument('[name]')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(async (name, options) => (await import('./vault.ts')).remove(context, name, options));
}
