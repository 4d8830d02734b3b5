// Subcommands of whoever runs an installation: webhooks, dead letters, backup, deployment, cost.
import { type Command, Option } from 'commander';
import { WEBHOOK_EVENTS } from '../core/webhooks.ts';
import { US_EAST_1 } from '../cost/aws-prices.ts';
import { TYPICAL } from '../cost/turn-cost.ts';
import type { CliContext } from './context.ts';
import { amount, memory, share, whole, withData, withStored, withTenant } from './options.ts';

export function addWebhookCommands(program: Command, context: CliContext): void {
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
}

export function addDeadLetterCommands(program: Command, context: CliContext): void {
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
}

export function addBackupCommands(program: Command, context: CliContext): void {
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
}

export function addAwsCommands(program: Command, context: CliContext): void {
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
    .option(
      '--measured <file>',
      'seconds and hot rate of turns that ran: timelines as JSON, `-` for the input',
    )
    .option('--compare', 'the same use on other compute, with break-even points')
    .option('--chart <file>', 'write a chart over 1 to 10,000 users as an HTML page')
    .option('--json', 'print JSON')
    .action(async ({ printPrices, ...options }) => {
      if (printPrices) return context.terminal.json(US_EAST_1);
      (await import('./cost.ts')).cost(context, options, TYPICAL);
    });
}
