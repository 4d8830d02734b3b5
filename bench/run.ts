// The bench: what a turn costs beside the bare SDK, and what the state layer costs as a session grows. All
// ratios are taken within this one run; docs/performance.md says how to read them.
import { benchGateway } from './gateway.ts';
import { benchState, stateBenchTable } from './state.ts';
import { printRows } from './table.ts';
import { benchTurn } from './turn.ts';

const parts: Readonly<Record<string, () => Promise<void>>> = {
  async turns() {
    console.error('Turns beside the bare SDK ...');
    printRows('A turn, with a model that answers at once (first row = 1.00)', await benchTurn());
  },
  async gateway() {
    console.error('\nThe model gateway ...');
    printRows('A model call with a request of 100 KB, the model on loopback', await benchGateway());
  },
  async state() {
    console.error('\nThe state layer alone ...');
    console.log('\nThe state layer alone, objects in a folder (ratios to the first row of each group)\n');
    console.log(stateBenchTable(await benchState()));
  },
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`There is no part ${unknown}. There are: ${Object.keys(parts).join(', ')}.`);
  process.exit(1);
}
for (const [name, run] of Object.entries(parts)) {
  if (wanted.length === 0 || wanted.includes(name)) await run();
}
process.exit(0);
