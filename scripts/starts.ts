// npm run starts -- --starts 1000 [--seed 1] [--built]
// Starts the command so often, alone and two at once on one data folder, with random kills, and ends with
// `N ready, N killed, N failed`; the exit code is 1 when any failed. `--built` takes the compiled program of `npm run build`.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { endedBySignal } from '../testing/faults/ended-by-signal.ts';
import { startOften } from '../testing/faults/starts.ts';

const { values } = parseArgs({
  options: {
    starts: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    built: { type: 'boolean', default: false },
  },
});
const starts = Number(values.starts);
if (!Number.isInteger(starts) || starts < 1) throw new Error('--starts must be a whole number from 1 on.');
const root = join(import.meta.dirname, '..');
const launcher = values.built ? join(root, 'dist/src/cli/main.js') : join(root, 'bin/hybrid-sessions.mjs');
if (!existsSync(launcher)) throw new Error('Run `npm run build` first.');

const result = await startOften({
  starts,
  seed: Number(values.seed),
  launcher,
  signal: endedBySignal(),
  watch: (done) => void (done % 50 < 2 && console.log(`${done} of ${starts}`)),
});
for (const failure of result.failures.slice(0, 12)) console.log(`FAILED ${failure}`);
const at = (share: number) => Math.round(result.readyMs[Math.floor(result.readyMs.length * share)] ?? 0);
console.log(
  `${result.starts} starts (${result.inPairs} of them two at once on one folder) in ${Math.round(result.tookMs / 1_000)} s; ` +
    `${result.workersKilled} workers killed, ${result.turns} turns answered; ready after ${at(0.5)} ms (median), ${at(0.99)} ms (99 %)`,
);
console.log(`${result.ready} ready, ${result.killed} killed, ${result.failures.length} failed`);
process.exit(result.failures.length > 0 ? 1 : 0);
