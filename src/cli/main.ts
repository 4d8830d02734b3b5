// The `hybrid-sessions` command: its subcommands, options and exit codes. Each subcommand is a file of its own, loaded
// when it is called.
import { join } from 'node:path';
import { Command } from 'commander';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { switches } from '../channels/settings.ts';
import { packageVersion } from '../package-root.ts';
import { loadDotEnv } from './dot-env.ts';
import { EXIT, errorLine, exitCodeOf } from './failure.ts';
import {
  addAwsCommands,
  addBackupCommands,
  addDeadLetterCommands,
  addWebhookCommands,
} from './operator-commands.ts';
import { port, whole, withAgent, withData } from './options.ts';
import { addChatCommands, addSessionCommands } from './session-commands.ts';
import { addTenantCommands, addVaultCommands } from './tenant-commands.ts';
import { createTerminal } from './terminal.ts';

const version = packageVersion();
loadDotEnv(join(process.cwd(), '.env'));
const { stdin, stdout, stderr, env } = process;
const terminal = createTerminal({ stdin, stdout, stderr, noColor: Boolean(env.NO_COLOR) });
const context = { env, cwd: process.cwd(), terminal, version };

// A reader that closes the pipe early (`| head`) is no error.
stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT.failed));

const program = new Command('hybrid-sessions')
  .description(
    'Stateful Claude agents on stateless compute: every turn starts from nothing and remembers everything.',
  )
  .version(version)
  .showHelpAfterError('(add --help for the options)')
  .configureHelp({ showGlobalOptions: true })
  .exitOverride();

/** How to switch on each channel that is off by default. */
const switchedOn = CHANNELS.flatMap((channel) => {
  const [variable] = switches(channel);
  return variable ? [`, and ${channel.title} when ${variable} is set`] : [];
}).join('');

withAgent(program.command('start'))
  .description(`run the server: web page, HTTP API, workers${switchedOn}`)
  .option('--port <number>', 'port (PORT, else 8787); 0 takes a free one', port)
  .option('--host <address>', 'address to listen on (HOST, else 127.0.0.1)')
  .option('--workers <number>', 'worker processes', whole)
  .action(async (options) => (await import('./start.ts')).start(context, options));

withAgent(program.command('chat'))
  .description('chat in this terminal')
  .argument('[name]', 'name of the chat; the same name goes on where it ended', 'main')
  .option('--url <url>', 'use the server running there instead of a system of its own')
  .option(
    '--key <key>',
    'bearer key of that server (HYBRID_SESSIONS_API_KEY, else, on this machine, the data folder has it)',
  )
  .option('--once <text>', 'send one message, print the reply, end')
  .option('--json', 'with --once: print the answer as JSON')
  .action(async (name, options) => {
    process.exitCode = await (await import('./chat.ts')).chat(context, name, options);
  });

withData(program.command('address'))
  .description('print the address of the page with its key, for a server started out of sight')
  .option('--port <number>', 'port of the server (PORT, else 8787)', port)
  .action(async (options) => (await import('./page-address.ts')).address(context, options));

addSessionCommands(program, context);
addChatCommands(program, context);
addWebhookCommands(program, context);
addDeadLetterCommands(program, context);
addTenantCommands(program, context);
addVaultCommands(program, context);
addBackupCommands(program, context);

withAgent(program.command('doctor'))
  .description('check what is missing here and say how to mend it')
  .option('--json', 'print JSON')
  .action(async (options) => {
    process.exitCode = await (await import('./doctor.ts')).doctor(context, options);
  });

addAwsCommands(program, context);

const initCommand = program
  .command('init')
  .description('make a project: agent folder, configuration, .gitignore, README')
  .argument('[dir]', 'a new or empty folder')
  .option(
    '--url <address>',
    'with one of the options below: the address that the platform is to call, where it can',
  );
const withManifest = (CHANNELS as readonly ChannelDescriptor[]).filter((channel) => channel.init?.manifest);
for (const { name, title } of withManifest) {
  initCommand.option(`--${name}`, `print the manifest of an app of ${title}, and make nothing`);
}
initCommand.action(async (dir, options) => {
  const channel = withManifest.find(({ name }) => options[name]);
  if (channel)
    return await (await import('./app-manifest.ts')).printManifest(context, channel, options.url ?? null);
  if (dir === undefined) initCommand.error("error: missing required argument 'dir'");
  await (await import('./init.ts')).init(context, dir);
});

program.addHelpText(
  'after',
  `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration or machine, 4 not found, 5 busy, 6 stored data is
damaged, 130 interrupted. More in docs/cli.md.`,
);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // Commander has already printed its own error.
  if (!(error instanceof Error && error.name === 'CommanderError')) {
    terminal.note(errorLine(error));
    if (env.DEBUG) terminal.note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}
