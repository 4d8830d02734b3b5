// Builds the ZIP's folder: the four small functions, and beside them the web page and what the API says of itself.
// Run alone it prints what came out and how long each takes to import; `buildFunctions` is for other scripts.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const ENTRIES = ['ingress', 'api', 'stranded', 'setup'];
const RUNS = 5;

/** What esbuild is told for everything that runs on Lambda. */
export const BUNDLE = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  mainFields: ['module', 'main'],
  minify: true,
  // Names of classes tell which error it was.
  keepNames: true,
  legalComments: 'external',
  metafile: true,
  logLevel: 'warning',
  // Dependencies in CommonJS call `require` for Node's own modules.
  banner: {
    js: "import{createRequire as $require}from'node:module';const require=$require(import.meta.url);",
  },
};

/** Fills `folder` and returns, for each function, its bytes and the modules in it. */
export async function buildFunctions(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build({
    ...BUNDLE,
    entryPoints: ENTRIES.map((name) => join(root, 'src/lambda', `${name}.ts`)),
    outdir: folder,
    absWorkingDir: root,
  });
  addPage(folder);
  const functions = {};
  for (const [path, output] of Object.entries(metafile.outputs)) {
    const name = /([\w-]+)\.mjs$/.exec(path)?.[1];
    if (name) functions[name] = { bytes: output.bytes, modules: Object.keys(output.inputs) };
  }
  return functions;
}

function addPage(folder) {
  cpSync(join(root, 'web'), join(folder, 'web'), {
    recursive: true,
    filter: (path) => !/\.d\.ts$|tsconfig\.json$/.test(path),
  });
  for (const [name, file] of [
    ['dompurify', 'dist/purify.es.mjs'],
    ['marked', 'lib/marked.esm.js'],
  ]) {
    for (const part of ['package.json', file]) {
      cpSync(join(root, 'node_modules', name, part), join(folder, 'node_modules', name, part));
    }
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const openapi = JSON.parse(readFileSync(join(root, 'openapi.json'), 'utf8'));
  writeFileSync(
    join(folder, 'api.json'),
    JSON.stringify({ info: { name: 'hybrid-sessions', version, tools: [] }, openapi }),
  );
}

/** Milliseconds from `import` to the handler, in a fresh process each time; the median. */
export function measureImport(file, environment) {
  const program = `globalThis.awslambda={streamifyResponse:(f)=>f};const t=performance.now();await import(${JSON.stringify(file)});console.log(performance.now()-t)`;
  const times = Array.from({ length: RUNS }, () => {
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      env: environment,
      encoding: 'utf8',
    });
    if (run.status !== 0) throw new Error(run.stderr);
    return Number(run.stdout);
  });
  return times.sort((a, b) => a - b)[Math.floor(RUNS / 2)];
}

const SAMPLE = {
  HYBRID_SESSIONS_INSTALLATION: 'sample',
  HYBRID_SESSIONS_MAPPING_TABLE: 'mapping',
  HYBRID_SESSIONS_STATE_TABLE: 'state',
  HYBRID_SESSIONS_BUCKET: 'bucket',
  HYBRID_SESSIONS_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/000000000000/turns.fifo',
  HYBRID_SESSIONS_DEAD_LETTER_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/000000000000/dead.fifo',
  HYBRID_SESSIONS_API_KEY_PARAMETER: '/key',
  HYBRID_SESSIONS_MODEL_PROVIDER: 'demo',
  HYBRID_SESSIONS_TELEGRAM_SECRET_PARAMETER: '/secret',
  HYBRID_SESSIONS_TELEGRAM_ALLOWED_USERS: '1',
  HYBRID_SESSIONS_TELEGRAM_BOT_ID: '1',
  HYBRID_SESSIONS_TELEGRAM_BOT_USERNAME: 'bot',
  AWS_REGION: 'us-east-1',
};

function folderBytes(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? join(root, 'dist/deploy/functions');
  const functions = await buildFunctions(folder);
  for (const [name, { bytes, modules }] of Object.entries(functions)) {
    const ms = measureImport(join(folder, `${name}.mjs`), SAMPLE);
    console.log(
      `${name.padEnd(9)} ${String(Math.round(bytes / 1000)).padStart(4)} KB, ${modules.length} modules, import ${ms.toFixed(0)} ms`,
    );
  }
  console.log(`${folder}: ${Math.round(folderBytes(folder) / 1000)} KB before compression`);
}
