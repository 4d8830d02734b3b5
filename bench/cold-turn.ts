// One turn in a process of its own: `cold-turn DATA_FOLDER MODEL_URL SANDBOX`. A byte on its output says that the turn is
// settled; what comes after that nobody waits for. SANDBOX is what a server tells its workers, as JSON.
import { openBenchWorker } from './bench-worker.ts';

const [dataDir, modelUrl, sandbox] = process.argv.slice(2);
if (!dataDir || !modelUrl || !sandbox) throw new Error('Usage: cold-turn DATA_FOLDER MODEL_URL SANDBOX');
const worker = await openBenchWorker(dataDir, modelUrl, { sandbox: JSON.parse(sandbox) });
await worker.turn();
process.stdout.write('.');
await worker.close();
process.exit(0);
