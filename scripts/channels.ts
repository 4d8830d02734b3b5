// npm run channels [-- --wiring local|aws|both] [--no-write]
// The same conversation on every channel: prints what each of them shows, and writes the chats to
// docs/channels-transcript.md. The exit code is 1 when anything failed or the wirings differ, 3 when a wiring cannot run here.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type ChannelResult, playConversation, type WiringName } from '../testing/channels/conversation.ts';
import { differencesOf, tableOf, transcriptOf } from '../testing/channels/report.ts';

const { values } = parseArgs({
  options: {
    wiring: { type: 'string', default: 'both' },
    'no-write': { type: 'boolean', default: false },
  },
});
const WIRINGS: readonly WiringName[] = ['local', 'aws'];
const NAMES: Readonly<Record<WiringName, string>> = { local: 'one machine', aws: 'AWS (stand-ins)' };
const TRANSCRIPT = fileURLToPath(new URL('../docs/channels-transcript.md', import.meta.url));

const chosen = WIRINGS.filter((name) => values.wiring === 'both' || values.wiring === name);
if (chosen.length === 0) {
  process.stderr.write('--wiring: `local`, `aws` or `both`.\n');
  process.exit(2);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main();

async function main(): Promise<number> {
  const all: (readonly ChannelResult[])[] = [];
  for (const name of chosen) {
    process.stderr.write(`${NAMES[name]}:\n`);
    const results = await playConversation(name, {
      onCell: (channel, title, { shows, why, failed }) =>
        process.stderr.write(
          `${new Date().toISOString().slice(11, 19)} ${channel}: ${title}: ${shows}${failed ? ` (${why})` : ''}\n`,
        ),
    });
    if ('unavailable' in results) {
      process.stderr.write(`${results.unavailable}\n`);
      return 3;
    }
    all.push(results);
  }
  const [first = [], second] = all;
  const hasFailed = all.flat().some(({ cells }) => cells.some(({ failed }) => failed));
  const differences = second ? differencesOf(first, second) : [];
  if (differences.length === 0 && all.length === 2 && !hasFailed) {
    process.stdout.write(`\nOn ${NAMES.local} and on ${NAMES.aws}:\n\n${tableOf(first)}\n`);
  } else {
    for (const [at, results] of all.entries()) {
      process.stdout.write(`\nOn ${NAMES[chosen[at] ?? 'local']}:\n\n${tableOf(results)}\n`);
    }
  }
  for (const difference of differences) process.stdout.write(`The wirings differ: ${difference}\n`);
  if (hasFailed || differences.length > 0) return 1;
  if (!values['no-write']) await writeFile(TRANSCRIPT, transcriptOf(first));
  return 0;
}
