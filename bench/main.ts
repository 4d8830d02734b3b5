// `npm run bench`: as it is when installed, with worker, agent host and the bench itself as a few bundled files. From source
// every process would first read some hundred.
import { join } from 'node:path';
import { buildPrograms } from '../scripts/programs.mjs';

const here = import.meta.dirname;
const programs = join(here, '../dist/programs');
await buildPrograms(programs, { bench: join(here, 'run.ts'), 'cold-turn': join(here, 'cold-turn.ts') });
await import(join(programs, 'bench.mjs'));
