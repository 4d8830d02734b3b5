// The package's own folder and what is read from it: its version, the API's document, the page, the example agent.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PACKAGE_ROOT = packageRoot(dirname(fileURLToPath(import.meta.url)));

/** The example agent: it may run commands. */
export const EXAMPLE_AGENT = join(PACKAGE_ROOT, 'examples', 'agent');

/** Where the build puts the widget; a checkout that was never built has none. */
export const WIDGET_FOLDER = join(PACKAGE_ROOT, 'dist', 'widget');

export function packageVersion(): string {
  return (readJson('package.json') as { version: string }).version;
}

/** What is served at /openapi.json. */
export function openapiDocument(): object {
  return readJson('openapi.json') as object;
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(join(PACKAGE_ROOT, file), 'utf8'));
}

/** What is started as a process of its own: its source in a checkout, where it is a few bundled files when installed. */
const PROGRAMS = { 'agent-host': 'src/host/host-program.ts', worker: 'src/local/worker-program.ts' } as const;

export const isBundled = !import.meta.url.endsWith('.ts');

export function programFile(name: keyof typeof PROGRAMS): string {
  return join(PACKAGE_ROOT, isBundled ? `dist/programs/${name}.mjs` : PROGRAMS[name]);
}

/** One step up from `src` in a checkout, two from `dist/src` when installed. */
function packageRoot(here: string): string {
  const above = [join(here, '..'), join(here, '..', '..')];
  return above.find((folder) => existsSync(join(folder, 'package.json'))) ?? join(here, '..');
}
