// The `hybrid-sessions` command: its subcommands, options and exit codes. Each subcommand is a file of its own, loaded
// when it is called.
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { ChannelDescriptor } from '../channels/descriptor.ts';
import { CHANNELS } from '../channels/index.ts';
import { switches } from '../channels/settings.ts';
import { SCOPES } from '../core/scopes.ts';
import { WEBHOOK_EVENTS } from '../core/webhooks.ts';
import { US_EAST_1 } from '../cost/aws-prices.ts';
import { TYPICAL } from '../cost/turn-cost.ts';
import { packageVersion } from '../package-root.ts';
import { loadDotEnv } from './dot-env.ts';
import { EXIT, errorLine, exitCodeOf } from './failure.ts';
import { createTerminal } from './terminal.ts';

const version = packageVersion();
loadDotEnv(join(process.cwd(), '.env'));
const { stdin, stdout, stderr, env } = process;
const terminal = createTerminal({ stdin, stdout, stderr, noColor: Boolean(env.NO_COLOR) });
const context = { env, cwd: process.cwd(), terminal, version };

// A reader that closes the pipe early (`| head`) is no error.
stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT.failed));

const port = (value: string) => {
  const number = Number(value);
  if (!/^\d{1,5}$/.test(value) || number > 65_535) throw new InvalidArgumentError('A port is 0 to 65535.');
  return number;
};
const whole = (value: string) => {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return Number(value);
};
const amount = (value: string) => {
  const number = Number(value);
  if (!/^\d+(\.\d+)?$/.test(value) || number <= 0)
    throw new InvalidArgumentError('It must be a number above 0.');
  return number;
};
const share = (value: string) => {
  const number = Number(value);
  if (!/^\d+(\.\d+)?$/.test(value) || number > 1)
    throw new InvalidArgumentError('It must be between 0 and 1.');
  return number;
};
const memory = (value: string) => {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < 128 || number > 10_240)
    throw new InvalidArgumentError('Lambda has 128 to 10240 MB.');
  return number;
};

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

const withData = (command: Command) =>
  command.option('--data <dir>', 'data folder (HYBRID_SESSIONS_DIR, else .hybrid-sessions)');
/** Options of commands that need no server and also work on an installation on AWS. */
const withStored = (command: Command) =>
  withData(command).option('--aws <file>', 'an installation on AWS instead (HYBRID_SESSIONS_AWS)');
const withTenant = (command: Command) =>
  withStored(command).option('--tenant <name>', "a tenant's, where there are several");
const withAgent = (command: Command) =>
  withData(command).option(
    '--agent <dir>',
    'agent folder (HYBRID_SESSIONS_AGENT, else ./agent, else the example)',
  );

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

withTenant(program.command('pull'))
  .description('take a conversation to this computer: files, transcript for `claude --resume`, tasks')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .option('--to <dir>', 'a new folder for its working directory (default: named like the chat)')
  .option('--chat-goes-on', 'the chat is not told to wait: it goes on, and so does the copy')
  .option('--again', 'although another copy is away; that one can then only come back as a fork')
  .option('--trust', 'lay .mcp.json and .claude/settings.json of the session, which your CLI obeys')
  .option('--json', 'print JSON')
  .action(async (chat, options) => (await import('./pull.ts')).pull(context, chat, options));

withTenant(program.command('push'))
  .description('bring back what `pull` took: the next generation of its session')
  .argument('<dir>', 'the folder that `pull` made')
  .option('--fork <name>', 'begin a new chat with it instead')
  .option('--json', 'print JSON')
  .action(async (dir, options) => (await import('./push.ts')).push(context, dir, options));

const sessions = program.command('sessions').description('look at, copy, check and erase stored sessions');

withTenant(sessions.command('list'))
  .description('conversations, most recently used first')
  .option('--limit <number>', 'at most this many', whole, 50)
  .option('--json', 'print JSON')
  .action(async (options) => (await import('./sessions.ts')).list(context, options));

withTenant(sessions.command('show'))
  .description('one conversation and its latest turns')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .option('--json', 'print JSON')
  .action(async (chat, options) => (await import('./sessions.ts')).show(context, chat, options));

withTenant(sessions.command('export'))
  .description('write conversation.jsonl, debug.txt, todos.json and workspace/ to a new folder')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .argument('[dir]', 'the folder (default: export-<session id>)')
  .option(
    '--everything',
    'all that is held about the chat: every session, turns, events, usage, dead letters',
  )
  .option('--json', 'print JSON')
  .action(async (chat, dir, options) =>
    (await import('./export.ts')).exportSession(context, chat, dir, options),
  );

withTenant(sessions.command('import'))
  .description('take an exported session in, as a chat of its own')
  .argument('<dir>', 'a folder written by export')
  .option('--chat <name>', 'name of the chat (default: the exported one)')
  .option('--json', 'print JSON')
  .action(async (dir, options) => (await import('./import.ts')).importSession(context, dir, options));

withTenant(sessions.command('verify'))
  .description('read every stored byte of the sessions back and check it')
  .argument('[chat]', 'only this one')
  .option('--all', 'every session, as without a name')
  .option('--json', 'print JSON')
  .action(async (chat, options) => {
    process.exitCode = await (await import('./verify.ts')).verify(context, chat, options);
  });

withTenant(sessions.command('repair'))
  .description('go back to the newest generation that can be read; explains before it changes anything')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .option('--generation <number>', 'go back to this one', whole)
  .option('--yes', 'do not ask')
  .option('--json', 'print JSON')
  .action(async (chat, options) => (await import('./repair.ts')).repair(context, chat, options));

withTenant(sessions.command('undo'))
  .description('undo the last turns of a conversation, files included')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .argument('[turns]', 'how many', whole, 1)
  .option('--yes', 'do not ask')
  .option('--json', 'print JSON')
  .action(async (chat, turns, options) =>
    (await import('./timeline.ts')).undo(context, chat, turns, options),
  );

withTenant(sessions.command('redo'))
  .description('bring back what the last undo took away')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .option('--yes', 'do not ask')
  .option('--json', 'print JSON')
  .action(async (chat, options) => (await import('./timeline.ts')).redo(context, chat, options));

withTenant(sessions.command('fork'))
  .description('begin another chat with a session as it stands; nothing is copied')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .argument('<new chat>', 'name of the new chat, of this tenant')
  .option('--json', 'print JSON')
  .action(async (chat, to, options) => (await import('./timeline.ts')).fork(context, chat, to, options));

withTenant(sessions.command('erase'))
  .description('erase a conversation: its turns and every stored file of its sessions')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .option('--yes', 'do not ask')
  .option('--json', 'print JSON')
  .action(async (chat, options) => (await import('./sessions.ts')).erase(context, chat, options));

const schedules = program
  .command('schedules')
  .description('what the agent of a chat does by itself, and when');

withTenant(schedules.command('list'))
  .description('the schedules of a chat')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .option('--json', 'print JSON')
  .action(async (chat, options) => (await import('./schedules.ts')).list(context, chat, options));

for (const [action, description] of [
  ['pause', 'hold one back'],
  ['resume', 'let one go on'],
  ['cancel', 'end one for good'],
  ['run', 'wake the agent by one now, besides its times'],
] as const) {
  withTenant(schedules.command(action))
    .description(description)
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .argument('<schedule>', 'its id or the beginning of it')
    .option('--json', 'print JSON')
    .action(async (chat, id, options) =>
      (await import('./schedules.ts')).change(context, action, chat, id, options),
    );
}

const links = program.command('links').description('which chats share the conversation of another one');

for (const [action, description] of [
  ['list', 'the chats that a chat shares a conversation with'],
  ['code', 'a code that links another chat to this one, for a chat of the HTTP API'],
  ['end', 'each chat has its own conversation again'],
] as const) {
  withTenant(links.command(action))
    .description(description)
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .option('--json', 'print JSON')
    .action(async (chat, options) => (await import('./links.ts'))[action](context, chat, options));
}

const turns = program.command('turns').description("where the time of a chat's turns went");

withTenant(turns.command('list'))
  .description('its latest turns with how long they took')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .option('--limit <number>', 'at most this many, up to 200', whole, 20)
  .option('--json', 'print JSON')
  .action(async (chat, options) => (await import('./turns.ts')).list(context, chat, options));

withTenant(turns.command('show'))
  .description('one of them as a waterfall')
  .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
  .argument('[turn]', 'its id or the beginning of it (default: the newest that has ended)')
  .option('--json', 'print JSON')
  .action(async (chat, turn, options) => (await import('./turns.ts')).show(context, chat, turn, options));

const webhooks = program.command('webhooks').description('programs that are told how turns end');

withTenant(webhooks.command('add'))
  .description('tell an address; prints the secret that signs what it is sent, once')
  .argument('<url>', 'https address')
  .addOption(new Option('--event <event...>', 'only these (default: all)').choices([...WEBHOOK_EVENTS]))
  .option('--description <text>', 'for people')
  .option('--json', 'print JSON')
  .action(async (url, options) => (await import('./webhooks.ts')).add(context, url, options));

withTenant(webhooks.command('list'))
  .description('all of them')
  .option('--json', 'print JSON')
  .action(async (options) => (await import('./webhooks.ts')).list(context, options));

withTenant(webhooks.command('remove'))
  .description('tell it nothing any more')
  .argument('<id>', 'its id')
  .option('--json', 'print JSON')
  .action(async (id, options) => (await import('./webhooks.ts')).remove(context, id, options));

withTenant(webhooks.command('log'))
  .description('what was sent to it, newest first')
  .argument('<id>', 'its id')
  .option('--limit <number>', 'at most this many, up to 200', whole, 50)
  .option('--json', 'print JSON')
  .action(async (id, options) => (await import('./webhooks.ts')).log(context, id, options));

withTenant(webhooks.command('replay'))
  .description('send a message again, with the same id')
  .argument('<id>', 'of the webhook')
  .argument('<message>', 'its id, as `log` shows it')
  .option('--json', 'print JSON')
  .action(async (id, message, options) =>
    (await import('./webhooks.ts')).replay(context, id, message, options),
  );

const dlq = program.command('dlq').description('dead letters: messages that were set aside for a person');

withStored(dlq.command('list'))
  .description('all of them, oldest first')
  .option('--json', 'print JSON')
  .action(async (options) => (await import('./dlq.ts')).list(context, options));

withStored(dlq.command('show'))
  .description('one of them: its text, why it was set aside, what a replay would do')
  .argument('<id>', 'its id, the id of its turn, or the support id that the person was shown')
  .option('--json', 'print JSON')
  .action(async (id, options) => (await import('./dlq.ts')).show(context, id, options));

withStored(dlq.command('replay'))
  .description('give it back to the workers')
  .argument('<id>', 'as for show')
  .option('--json', 'print JSON')
  .action(async (id, options) => (await import('./dlq.ts')).replay(context, id, options));

withStored(dlq.command('drop'))
  .description('remove it')
  .argument('<id>', 'as for show')
  .option('--json', 'print JSON')
  .action(async (id, options) => (await import('./dlq.ts')).drop(context, id, options));

const tenants = program.command('tenants').description('owners of bots and data, where there are several');
const several = (value: string, before: readonly string[] = []) => [...before, value];
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
  .addOption(new Option('--scope <scope...>', 'what it may do (default: all of these)').choices([...SCOPES]))
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
  .action(async (name, id, options) => (await import('./tenant-keys.ts')).revoke(context, name, id, options));

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

const vault = program.command('vault').description("credentials for tools' servers, which agents never see");
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

const backup = program.command('backup').description('the whole data folder, while it is in use');

withData(backup.command('create'))
  .description('copy every session, turn and waiting message to a new folder')
  .argument('<dir>', 'a new folder')
  .option('--json', 'print JSON')
  .action(async (dir, options) => (await import('./backup.ts')).create(context, dir, options));

withData(backup.command('restore'))
  .description('make the data folder from a backup; it must not exist yet')
  .argument('<dir>', 'a folder written by create')
  .option('--json', 'print JSON')
  .action(async (dir, options) => (await import('./backup.ts')).restore(context, dir, options));

withAgent(program.command('doctor'))
  .description('check what is missing here and say how to mend it')
  .option('--json', 'print JSON')
  .action(async (options) => {
    process.exitCode = await (await import('./doctor.ts')).doctor(context, options);
  });

program
  .command('deploy')
  .description('put a whole installation into an AWS account (docs/deploy-aws.md)')
  .option('--settings <file>', 'what to deploy (default: hybrid-sessions.deploy.json here)')
  .option('--alarm-email <address>', 'who is told of trouble; only needed once')
  .option(
    '--aws <file>',
    'where to write what `sessions --aws` needs (default: hybrid-sessions.aws.json here)',
  )
  .option('--synth', 'only show the template; needs neither Docker nor an account')
  .option('--destroy', 'remove the installation; tables and bucket stay')
  .argument('[cdk...]', 'goes to cdk as it is, after --')
  .action(async (rest, options) => {
    process.exitCode = await (await import('./deploy.ts')).deploy(context, options, rest);
  });

program
  .command('cost')
  .description('what an installation on AWS costs a month, without tokens (docs/cost.md)')
  .option('--users <number>', 'people who use it', whole, TYPICAL.users)
  .option('--turns <number>', 'turns a day of each of them', amount, TYPICAL.turnsPerDay)
  .option('--seconds <number>', 'how long a turn takes', amount, TYPICAL.secondsPerTurn)
  .option(
    '--hot-rate <share>',
    'share of turns that find their process alive, 0 to 1',
    share,
    TYPICAL.hotRate,
  )
  .option('--memory <MB>', 'of the function that runs agents', memory, TYPICAL.memoryMb)
  .addOption(
    new Option('--agents <mode>', 'where agents run').choices(['isolated', 'shared']).default('isolated'),
  )
  .option('--budget <dollars>', 'say what so much a month buys', amount, 30)
  .option('--region <name>', `prices of this region (${US_EAST_1.region})`)
  .option('--prices <file>', 'a price list of your own, as JSON')
  .option('--print-prices', 'print the price list as JSON and end')
  .option('--measured <file>', 'seconds and hot rate of turns that ran: timelines as JSON, `-` for the input')
  .option('--compare', 'the same use on other compute, with break-even points')
  .option('--chart <file>', 'write a chart over 1 to 10,000 users as an HTML page')
  .option('--json', 'print JSON')
  .action(async ({ printPrices, ...options }) => {
    if (printPrices) return terminal.json(US_EAST_1);
    (await import('./cost.ts')).cost(context, options, TYPICAL);
  });

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
