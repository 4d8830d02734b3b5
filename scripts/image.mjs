// The worker's image. `assembleContext` fills the folder Docker builds from; `assembleTree` makes, without Docker,
// the very files the image has in its task folder, for this machine's processor and with its Node. Run alone it fills
// dist/deploy/image; with --docker it also builds the image (--arch, --base, --agent, --tag) and runs it once.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { BUNDLE, programOf } from './functions.mjs';

const root = join(import.meta.dirname, '..');
const SDK = '@anthropic-ai/claude-agent-sdk';
/** Fills `folder` with the Dockerfile and, below `task`, everything but the packages and the agent's folder. */
export async function assembleContext(folder, { programs } = {}) {
  rmSync(folder, { recursive: true, force: true });
  const task = join(folder, 'task');
  mkdirSync(task, { recursive: true });
  cpSync(join(root, 'Dockerfile'), join(folder, 'Dockerfile'));
  const { metafile } = await build({
    ...BUNDLE,
    entryPoints: {
      worker: programOf('worker', programs),
      'agent-host': programOf('agent-host', programs),
    },
    outdir: task,
    absWorkingDir: root,
    // It finds its native program beside itself.
    external: [...BUNDLE.external, SDK],
  });
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules', SDK, 'package.json'), 'utf8'));
  const manifest = { private: true, type: 'module', dependencies: { [SDK]: version } };
  writeFileSync(join(task, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  const worker = Object.entries(metafile.outputs).find(([path]) => path.endsWith('/worker.mjs'))?.[1];
  return { bytes: worker.bytes, modules: Object.keys(worker.inputs) };
}

/** Fills `folder` with what the image holds in its task folder. Packages are hard links: they are large. */
export async function assembleTree(folder, { agent = join(root, 'examples/agent'), programs } = {}) {
  const context = `${folder}.context`;
  await assembleContext(context, { programs });
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(context, 'task'), folder, { recursive: true });
  rmSync(context, { recursive: true });
  cpSync(agent, join(folder, 'agent'), { recursive: true });
  mkdirSync(join(folder, 'bin'));
  linkOrCopy(process.execPath, join(folder, 'bin/node'));
  const native = `${SDK}-${process.platform}-${process.arch}`;
  for (const name of [SDK, native]) {
    linkTree(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
}

/** The handler that the image's CMD names. */
export function handlerOfImage() {
  const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
  return JSON.parse(/^CMD (\[.*\])$/m.exec(dockerfile)[1])[0];
}

function linkTree(from, to) {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) linkTree(source, target);
    else if (entry.isFile()) linkOrCopy(source, target);
  }
}

function linkOrCopy(source, target) {
  try {
    linkSync(source, target);
  } catch {
    cpSync(source, target);
  }
}

/** Enough for a worker to start: an empty batch asks nothing of AWS. */
export const SAMPLE = {
  HYBRID_SESSIONS_INSTALLATION: 'sample',
  HYBRID_SESSIONS_MAPPING_TABLE: 'mapping',
  HYBRID_SESSIONS_STATE_TABLE: 'state',
  HYBRID_SESSIONS_BUCKET: 'bucket',
  HYBRID_SESSIONS_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/000000000000/turns.fifo',
  HYBRID_SESSIONS_DEAD_LETTER_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/000000000000/dead.fifo',
  HYBRID_SESSIONS_MODEL_PROVIDER: 'demo',
  HYBRID_SESSIONS_MAX_WORKSPACE_BYTES: '1000000',
  HYBRID_SESSIONS_TEMPORARY: '/tmp',
  HYBRID_SESSIONS_VAULT: '/sample/vault',
  HYBRID_SESSIONS_TIMER_GROUP: 'timers',
  HYBRID_SESSIONS_TIMER_ROLE: 'arn:aws:iam::000000000000:role/timers',
  HYBRID_SESSIONS_TIMER_QUEUE: 'arn:aws:sqs:us-east-1:000000000000:turns.fifo',
};

async function buildAndRun(context, { arch, base, agent, tag }) {
  cpSync(agent, join(context, 'task/agent'), { recursive: true });
  const platform = `linux/${arch === 'x86_64' ? 'amd64' : arch}`;
  const from = base ? ['--build-arg', `BASE=${base}`] : [];
  execFileSync('docker', ['build', '--platform', platform, ...from, '-t', tag, context], {
    stdio: 'inherit',
  });
  const variables = Object.entries({ ...SAMPLE, AWS_ACCESS_KEY_ID: 'none', AWS_SECRET_ACCESS_KEY: 'none' });
  const container = execFileSync('docker', [
    ...['run', '--detach', '--platform', platform, '--read-only', '--tmpfs', '/tmp', '--memory', '1g'],
    ...['--publish', '127.0.0.1::8080'],
    ...variables.flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    tag,
  ]);
  const id = container.toString().trim();
  try {
    const address = execFileSync('docker', ['port', id, '8080/tcp']).toString().trim().split('\n')[0];
    const answer = await invoke(`http://${address}/2015-03-31/functions/function/invocations`);
    if (answer !== '{"batchItemFailures":[]}') throw new Error(`The worker answered: ${answer}`);
    console.log(`${tag} starts and answers.`);
  } finally {
    spawnSync('docker', ['rm', '--force', id]);
  }
}

async function invoke(url) {
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(url, { method: 'POST', body: '{"Records":[]}' });
      return await response.text();
    } catch (error) {
      if (attempt === 50) throw error;
      await sleep(200);
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      docker: { type: 'boolean', default: false },
      arch: { type: 'string', default: process.arch === 'arm64' ? 'arm64' : 'x86_64' },
      base: { type: 'string' },
      agent: { type: 'string', default: join(root, 'examples/agent') },
      tag: { type: 'string', default: 'hybrid-sessions-worker' },
      out: { type: 'string', default: join(root, 'dist/deploy/image') },
    },
  });
  const { bytes } = await assembleContext(values.out);
  console.log(`${values.out}: worker ${Math.round(bytes / 1000)} KB`);
  if (values.docker) {
    if (spawnSync('docker', ['info'], { stdio: 'ignore' }).status !== 0) {
      console.error('Docker does not answer here: start it, or leave --docker out.');
      process.exitCode = 3;
    } else await buildAndRun(values.out, values);
  }
}
