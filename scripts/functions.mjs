// Builds the ZIP's folder: the small functions, the web page and the API's description. Run by itself it prints
// the sizes and how long each function takes to import; other scripts use `buildFunctions`.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { build } from 'esbuild';
import { buildWidget } from './widget.mjs';

const root = join(import.meta.dirname, '..');
const ENTRIES = ['ingress', 'api', 'stranded', 'setup', 'sweep', 'gateway', 'isolated-worker', 'webhooks'];

/** The file that exports a function's handler. `programs`: a folder whose files stand in for ours of the same name. */
export function programOf(name, programs) {
  const own = programs && join(programs, `${name}.ts`);
  return own && existsSync(own) ? own : join(root, 'src/lambda/functions', `${name}.ts`);
}
const RUNS = 5;

/** Left out everywhere: zod's messages in fifty languages. */
export const ONE_LANGUAGE = {
  name: 'one-language',
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
      resolveDir: join(root, 'node_modules/zod/v4/locales'),
    }));
  },
};

/** Left out on Lambda: every way to credentials but the one that exists there, the function's own environment. */
const LEAN = {
  name: 'lean',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^@aws-sdk\/credential-provider-node$/ }, () => ({
      path: 'credentials',
      namespace: 'lean',
    }));
    onLoad({ filter: /.*/, namespace: 'lean' }, () => ({
      contents:
        "import { fromEnv } from '@aws-sdk/credential-provider-env'; export const defaultProvider = () => fromEnv();",
      resolveDir: root,
    }));
  },
};

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
  // Of a way in that only a local system has.
  external: ['@slack/socket-mode'],
  plugins: [ONE_LANGUAGE, LEAN],
  logLevel: 'warning',
  // Dependencies in CommonJS call `require` for Node's own modules.
  banner: {
    js: "import{createRequire as $require}from'node:module';const require=$require(import.meta.url);",
  },
};

/** Fills `folder` and returns, for each function, its bytes and the modules in it. */
export async function buildFunctions(folder, { programs } = {}) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build({
    ...BUNDLE,
    entryPoints: Object.fromEntries(ENTRIES.map((name) => [name, programOf(name, programs)])),
    outdir: folder,
    absWorkingDir: root,
    // What several functions share is in the ZIP once.
    splitting: true,
    chunkNames: 'shared/[hash]',
  });
  addPage(folder);
  await buildWidget(join(folder, 'web'));
  return Object.fromEntries(ENTRIES.map((name) => [name, loadedBy(metafile, name)]));
}

/** The files that a function loads at its start (its own and shared ones), and those that it may load later. */
function loadedBy(metafile, name) {
  const start = Object.keys(metafile.outputs).find((path) => path.endsWith(`/${name}.mjs`));
  const follow = (kinds) => {
    const files = new Set([start]);
    for (const path of files) {
      for (const { path: next, external, kind } of metafile.outputs[path].imports) {
        if (!external && kinds.includes(kind)) files.add(next);
      }
    }
    return [...files];
  };
  const modulesOf = (files) => files.flatMap((path) => Object.keys(metafile.outputs[path].inputs));
  const first = follow(['import-statement']);
  const later = follow(['import-statement', 'dynamic-import']).filter((path) => !first.includes(path));
  return {
    bytes: first.reduce((sum, path) => sum + metafile.outputs[path].bytes, 0),
    modules: modulesOf(first),
    later: modulesOf(later),
  };
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
  HYBRID_SESSIONS_WEBHOOK_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/000000000000/webhooks.fifo',
  HYBRID_SESSIONS_API_KEY_PARAMETER: '/key',
  HYBRID_SESSIONS_MODEL_PROVIDER: 'demo',
  HYBRID_SESSIONS_AGENT_HOST_FUNCTION: 'agent-host',
  HYBRID_SESSIONS_GATEWAY_URL: 'https://gateway.lambda-url.us-east-1.on.aws/',
  HYBRID_SESSIONS_GATEWAY_SECRET_PARAMETER: '/gateway-secret',
  HYBRID_SESSIONS_VAULT: '/vault',
  HYBRID_SESSIONS_TIMER_GROUP: 'timers',
  HYBRID_SESSIONS_TIMER_ROLE: 'arn:aws:iam::000000000000:role/timers',
  HYBRID_SESSIONS_TIMER_QUEUE: 'arn:aws:sqs:us-east-1:000000000000:turns.fifo',
  HYBRID_SESSIONS_TEMPORARY: '/tmp',
  HYBRID_SESSIONS_MAX_WORKSPACE_BYTES: '1000000',
  AWS_REGION: 'us-east-1',
};

/** About what the ZIP weighs. */
export function compressedBytes(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + deflateRawSync(readFileSync(join(entry.parentPath, entry.name))).length, 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? join(root, 'dist/deploy/functions');
  const functions = await buildFunctions(folder);
  for (const [name, { bytes, modules }] of Object.entries(functions)) {
    const ms = measureImport(join(folder, `${name}.mjs`), SAMPLE);
    console.log(
      `${name.padEnd(15)} ${String(Math.round(bytes / 1000)).padStart(4)} KB, ${modules.length} modules, import ${ms.toFixed(0)} ms`,
    );
  }
  console.log(`ZIP about ${Math.round(compressedBytes(folder) / 1000)} KB`);
}
