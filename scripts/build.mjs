// Builds the package: TypeScript to JavaScript and declarations in dist/, the programs of worker and agent host as few
// files in dist/programs, and in dist/deploy what a deployment to AWS uploads. Everything else ships as it is.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildFunctions } from './functions.mjs';
import { assembleContext } from './image.mjs';
import { buildPrograms } from './programs.mjs';
import { buildWidget } from './widget.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
rmSync(join(root, 'dist'), { recursive: true, force: true });
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);
await buildWidget(join(root, 'dist/widget'));
await buildPrograms(join(root, 'dist/programs'));
await buildFunctions(join(root, 'dist/deploy/functions'));
await assembleContext(join(root, 'dist/deploy/image'));
