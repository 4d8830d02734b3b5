// The bench: what a turn costs beside the bare SDK, and what the state layer costs as a session grows. All
// ratios are taken within this one run; docs/performance.md says how to read them.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../src/package-root.ts';
import { benchGateway } from './gateway.ts';
import { benchLight, expectedRatios } from './light.ts';
import { benchState, stateBenchTable } from './state.ts';
import { printRows, type Row } from './table.ts';
import { benchThreeWays, tarTable, waysTable } from './three-ways.ts';
import { benchTurn } from './turn.ts';

const LIGHT_ROUNDS = 5;
const TURNS = 'A turn, with a model that answers at once (first row = 1.00)';
const here = join(PACKAGE_ROOT, 'bench');
const results: Record<string, readonly object[]> = {};

function show(part: string, title: string, rows: readonly Row[]): void {
  printRows(title, rows);
  results[part] = rows;
}

const parts: Readonly<Record<string, () => Promise<void>>> = {
  async turns() {
    console.error('Turns beside the bare SDK ...');
    show('turns', TURNS, await benchTurn());
  },
  async gateway() {
    console.error('\nThe model gateway ...');
    show('gateway', 'A model call with a request of 100 KB, the model on loopback', await benchGateway());
  },
  async state() {
    console.error('\nThe state layer alone ...');
    console.log('\nThe state layer alone, objects in a folder (ratios to the first row of each group)\n');
    const rows = await benchState();
    console.log(stateBenchTable(rows));
    results.state = rows;
  },
  async ways() {
    console.error('\nOne session brought and saved in three ways ...');
    const { ways, tar } = await benchThreeWays();
    console.log(
      '\nA turn on a worker that has nothing of the session, over the distance to S3, without the agent\n',
    );
    console.log(waysTable(ways));
    console.log('\nRestore from disk, beside tar\n');
    console.log(tarTable(tar));
    results.ways = ways;
    results.tar = tar;
  },
};

const wanted = process.argv.slice(2);
if (wanted[0] === 'light') {
  const worse = await benchLight(
    () => benchTurn(LIGHT_ROUNDS),
    expectedRatios(here),
    (rows) => show('turns', TURNS, rows),
  );
  for (const { what, ratio, expected } of worse) {
    console.error(`Worse by half, twice: ${what}: ${ratio.toFixed(2)}, expected ${expected.toFixed(2)}.`);
  }
  writeResults();
  process.exit(worse.length > 0 ? 1 : 0);
}
const unknown = wanted.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`There is no part ${unknown}. There are: light, ${Object.keys(parts).join(', ')}.`);
  process.exit(1);
}
for (const [name, run] of Object.entries(parts)) {
  if (wanted.length === 0 || wanted.includes(name)) await run();
}
writeResults();
process.exit(0);

function writeResults(): void {
  const machine = { cpus: availableParallelism(), node: process.version, platform: process.platform };
  const content = { measuredAt: new Date().toISOString(), machine, ...results };
  writeFileSync(join(here, 'results.json'), `${JSON.stringify(content, null, 2)}\n`);
}
