// One turn in a process of its own: `cold-turn.ts DATA_FOLDER MODEL_URL`.
import { openBenchWorker } from './bench-worker.ts';

const [dataDir, modelUrl] = process.argv.slice(2);
if (!dataDir || !modelUrl) throw new Error('Usage: cold-turn.ts DATA_FOLDER MODEL_URL');
const worker = await openBenchWorker(dataDir, modelUrl);
await worker.turn();
await worker.close();
process.exit(0);
