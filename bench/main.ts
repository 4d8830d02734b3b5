// `npm run bench`: what a turn costs beside the bare SDK, and what the state layer costs as a session grows. All
// ratios are taken within this one run; docs/performance.md says how to read them.
import { benchGateway } from './gateway.ts';
import { benchState, stateBenchTable } from './state.ts';
import { printRows } from './table.ts';
import { benchTurn } from './turn.ts';

console.error('Turns beside the bare SDK ...');
printRows('A turn, with a model that answers at once (first row = 1.00)', await benchTurn());
console.error('\nThe model gateway ...');
printRows('A model call with a request of 100 KB, the model on loopback', await benchGateway());
console.error('\nThe state layer alone ...');
console.log(`\nThe state layer alone, objects in a folder (ratios to the first row of each group)\n`);
console.log(stateBenchTable(await benchState()));
process.exit(0);
